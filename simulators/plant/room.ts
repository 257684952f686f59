/**
 * The air of one room: temperature by one resistance and one capacity, carbon dioxide and humidity by air change.
 * `stepRoom` is exact for constant input, so that the size of a step cannot make it swing.
 */

export interface RoomState {
  readonly temperatureC: number;
  readonly co2Ppm: number;
  readonly humidityPercent: number;
}

/** What acts on the room during a step. */
export interface RoomInput {
  readonly outsideC: number;
  /** Sun on the window's façade, W/m². */
  readonly sunWm2: number;
  readonly people: number;
  readonly windowOpen: boolean;
  /** From the fan-coil unit; negative cools. */
  readonly powerW: number;
}

/** A room of 24 m²: air, furniture and the inner side of its walls; one outside wall with its window. */
const CAPACITY_J_PER_K = 2.2e6;
const WALL_W_PER_K = 22;
const OPEN_WINDOW_W_PER_K = 110;
/** Window area times the share of the sun it lets in. */
const SUN_APERTURE_M2 = 1.2;
const PERSON_W = 90;
/** Lamps, minibar and what comes through from the neighbours. */
const BASE_W = 60;

const OUTSIDE_CO2_PPM = 420;
const PERSON_CO2_PPM_PER_H = 280;
const AIR_CHANGES_PER_H = 0.6;
const OPEN_AIR_CHANGES_PER_H = 6;
const MS_PER_H = 3_600_000;

/** Towards `target` with the time constant `tauMs`, for `dtMs`. */
function approach(value: number, target: number, tauMs: number, dtMs: number): number {
  return target + (value - target) * Math.exp(-dtMs / tauMs);
}

/** The room `dtMs` later. */
export function stepRoom(state: RoomState, input: RoomInput, dtMs: number): RoomState {
  const lossWPerK = WALL_W_PER_K + (input.windowOpen ? OPEN_WINDOW_W_PER_K : 0);
  const gainW = input.powerW + input.sunWm2 * SUN_APERTURE_M2 + input.people * PERSON_W + BASE_W;
  const tauMs = (CAPACITY_J_PER_K / lossWPerK) * 1_000;
  const changesPerH = AIR_CHANGES_PER_H + (input.windowOpen ? OPEN_AIR_CHANGES_PER_H : 0);
  const airMs = MS_PER_H / changesPerH;
  const co2Target = OUTSIDE_CO2_PPM + (input.people * PERSON_CO2_PPM_PER_H) / changesPerH;
  const humidityTarget = 32 + 300 / (10 + Math.max(-5, 20 - input.outsideC)) + (input.people * 4) / changesPerH;
  return {
    temperatureC: approach(state.temperatureC, input.outsideC + gainW / lossWPerK, tauMs, dtMs),
    co2Ppm: approach(state.co2Ppm, co2Target, airMs, dtMs),
    humidityPercent: approach(state.humidityPercent, Math.min(85, humidityTarget), airMs, dtMs),
  };
}
