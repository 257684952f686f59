/** A fan-coil unit: valve and fan follow the setpoint, proportionally, with a deadband between heating and cooling. */

/** In the order of the unit's mode register. */
export const FAN_COIL_MODES = ['off', 'heat', 'cool', 'auto', 'fan_only'] as const;
export type FanCoilMode = (typeof FAN_COIL_MODES)[number];

export interface FanCoilDrive {
  /** Positive heats, negative cools. */
  readonly valvePercent: number;
  readonly fanPercent: number;
  readonly powerW: number;
}

/** Half the band around the setpoint in which nothing is done, and how far beyond it the valve is fully open. */
const DEADBAND_K = 0.2;
const FULL_OPEN_K = 0.8;
const HEAT_W = 2_000;
const COOL_W = 1_800;

const OFF: FanCoilDrive = { valvePercent: 0, fanPercent: 0, powerW: 0 };

/** What the unit does in a room of `roomC` that should have `setpointC`. */
export function driveFanCoil(mode: FanCoilMode, setpointC: number, roomC: number): FanCoilDrive {
  if (mode === 'off') return OFF;
  if (mode === 'fan_only') return { valvePercent: 0, fanPercent: 30, powerW: 0 };
  const missingK = setpointC - roomC;
  const heats = missingK > DEADBAND_K && mode !== 'cool';
  const cools = missingK < -DEADBAND_K && mode !== 'heat';
  if (!heats && !cools) return OFF;
  const open = Math.min(1, (Math.abs(missingK) - DEADBAND_K) / FULL_OPEN_K);
  return {
    valvePercent: Math.round(open * 100) * (heats ? 1 : -1),
    fanPercent: Math.round(30 + open * 70),
    powerW: open * (heats ? HEAT_W : -COOL_W),
  };
}
