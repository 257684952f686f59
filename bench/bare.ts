/** Node with nothing in it but a timer. */
setInterval(() => {}, 1_000);
process.stdout.write('ready\n');
