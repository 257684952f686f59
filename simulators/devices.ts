/** The wired devices of the simulated sites as Modbus units: register maps (zero-based) and what stands in them. */
import { ModbusUnit } from './modbus/server.ts';
import { FAN_COIL_MODES, type FanCoilMode } from './plant/fan-coil.ts';

/** Room thermostat with fan and valve. Temperatures are signed, in tenths of a degree. */
export const FAN_COIL = {
  holding: { setpoint: 0, mode: 1 },
  /** `knob`: where the guest has turned the wall knob, tenths of K; `aims_at`: setpoint and knob together. */
  input: { temperature: 0, fan: 1, valve: 2, knob: 3, aims_at: 4 },
} as const;

/** Corridor light with a presence sensor. */
export const CORRIDOR_LIGHT = {
  holding: { scene: 0 },
  input: { level: 0 },
  discrete: { motion: 0 },
} as const;

/** In the order of the scene register, with the light each gives. */
export const SCENES = [
  { name: 'off', percent: 0 },
  { name: 'dim', percent: 20 },
  { name: 'normal', percent: 70 },
  { name: 'bright', percent: 100 },
] as const;

/** Office thermostat: nothing but a setpoint, in tenths of a degree. */
export const THERMOSTAT = { holding: { setpoint: 0 } } as const;

export function tenths(value: number): number {
  return Math.round(value * 10);
}

/** A signed register in tenths. */
export function fromTenths(raw: number): number {
  return (raw > 0x7fff ? raw - 0x1_0000 : raw) / 10;
}

export function fanCoilUnit(id: number, setpointC: number, mode: FanCoilMode): ModbusUnit {
  return new ModbusUnit({
    id,
    holding: { [FAN_COIL.holding.setpoint]: tenths(setpointC), [FAN_COIL.holding.mode]: FAN_COIL_MODES.indexOf(mode) },
    input: { 0: 0, 1: 0, 2: 0, 3: 0, 4: tenths(setpointC) },
  });
}

export function corridorLightUnit(id: number): ModbusUnit {
  const normal = SCENES.findIndex((scene) => scene.name === 'normal');
  return new ModbusUnit({
    id,
    holding: { [CORRIDOR_LIGHT.holding.scene]: normal },
    input: { [CORRIDOR_LIGHT.input.level]: SCENES[normal]?.percent ?? 0 },
    discrete: { [CORRIDOR_LIGHT.discrete.motion]: 0 },
  });
}

export function thermostatUnit(id: number, setpointC: number): ModbusUnit {
  return new ModbusUnit({ id, holding: { [THERMOSTAT.holding.setpoint]: tenths(setpointC) } });
}

/** The setpoint that stands in a fan-coil unit or a thermostat: both keep it in holding register 0. */
export function setpointOf(unit: ModbusUnit): number {
  return fromTenths(unit.get('holding', FAN_COIL.holding.setpoint) ?? 0);
}

/** How often the setpoint was written over the wire. */
export function setpointWrites(unit: ModbusUnit): number {
  return unit.writes('holding', FAN_COIL.holding.setpoint);
}

/** A mode register that holds what no mode is leaves the unit off. */
export function modeOf(unit: ModbusUnit): FanCoilMode {
  return FAN_COIL_MODES[unit.get('holding', FAN_COIL.holding.mode) ?? 0] ?? 'off';
}
