/** Everything a driver, an operator or a tool of the house may import: the words. */
export * from './capabilities.ts';
export * from './clock.ts';
export * from './connector.ts';
export * from './driver.ts';
export * from './duration.ts';
export * from './envelope.ts';
export * from './errors.ts';
export * from './glob.ts';
export * from './limits.ts';
export * from './operator.ts';
export * from './plan.ts';
export * from './reading.ts';
export * from './receipt.ts';
export * from './units.ts';
