/** The air handler of the guest floors: supply air held at its setpoint, fan by the time of day. */

export interface AirHandlerState {
  readonly supplyC: number;
  readonly fanPercent: number;
  readonly filterPa: number;
}

export interface AirHandlerInput {
  readonly outsideC: number;
  readonly supplySetpointC: number;
  /** What the schedule asks of the fan. */
  readonly fanDemandPercent: number;
}

const COIL_TAU_MS = 4 * 60_000;
const FAN_TAU_MS = 60_000;
/** The heat exchanger gives back this share of the difference to the rooms' 21 degC. */
const RECOVERY = 0.7;
const COIL_RANGE_K = 18;
const CLEAN_FILTER_PA = 60;
const FULL_FLOW_PA = 110;

function approach(value: number, target: number, tauMs: number, dtMs: number): number {
  return target + (value - target) * Math.exp(-dtMs / tauMs);
}

/** Fan demand by the hour: quiet at night, full while rooms are cleaned and guests are up. */
export function fanDemandAt(localHour: number): number {
  if (localHour < 6 || localHour >= 23) return 40;
  return localHour < 10 || localHour >= 17 ? 80 : 65;
}

/** The air handler `dtMs` later. The coil can do `COIL_RANGE_K` beyond heat recovery, up or down, and no more. */
export function stepAirHandler(state: AirHandlerState, input: AirHandlerInput, dtMs: number): AirHandlerState {
  const recoveredC = input.outsideC + (21 - input.outsideC) * RECOVERY;
  const lowestC = recoveredC - COIL_RANGE_K;
  const highestC = recoveredC + COIL_RANGE_K;
  const reachableC = Math.min(highestC, Math.max(lowestC, input.supplySetpointC));
  const fanPercent = approach(state.fanPercent, input.fanDemandPercent, FAN_TAU_MS, dtMs);
  return {
    supplyC: approach(state.supplyC, reachableC, COIL_TAU_MS, dtMs),
    fanPercent,
    filterPa: CLEAN_FILTER_PA + FULL_FLOW_PA * (fanPercent / 100) ** 2,
  };
}
