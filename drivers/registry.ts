/** Every protocol the gateway speaks: the only list. Each entry is light; its library is loaded when a connection needs it. */
import type { DriverModule } from '@fibric/sdk';
import { http } from './http/index.ts';
import { modbus } from './modbus/index.ts';
import { mqtt } from './mqtt/index.ts';
import { opcua } from './opcua/index.ts';

export const DRIVERS: readonly DriverModule[] = [mqtt, modbus, opcua, http];
