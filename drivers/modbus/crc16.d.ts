/** The library's own checksum, which has no types of its own. */
declare module 'modbus-serial/utils/crc16.js' {
  export default function crc16(bytes: Uint8Array): number;
}
