/**
 * Predicted mean vote and predicted percentage dissatisfied, after ISO 7730:2005 clauses 4 and 5. Written from the equations; the
 * standard's own examples (annex D, table D.1) are the test.
 */

export interface Climate {
  /** Air and mean radiant temperature, °C. */
  readonly air_c: number;
  readonly radiant_c: number;
  /** Air speed relative to the body, m/s. */
  readonly air_speed_ms: number;
  readonly humidity_percent: number;
  /** Metabolic rate, met. External work is taken as none, as in the standard's examples. */
  readonly met: number;
  /** Clothing, clo. */
  readonly clo: number;
}

export interface Vote {
  /** From −3 cold to +3 hot. */
  readonly pmv: number;
  /** Percent of people who are not content with it. */
  readonly ppd: number;
}

/** 1 met in W/m² (clause 4.1 note), 1 clo in m²·K/W. */
const MET_W_M2 = 58.15;
const CLO_M2K_W = 0.155;
const ZERO_C = 273;

const inside = (value: number, low: number, high: number): boolean => value >= low && value <= high;

/** Clause 4.1: the intervals in which the index may be used. NaN is in none. */
function isKnown({ air_c, radiant_c, air_speed_ms, met, clo }: Climate, vapour_pa: number): boolean {
  return (
    inside(met, 0.8, 4) &&
    inside(clo, 0, 2) &&
    inside(air_c, 10, 30) &&
    inside(radiant_c, 10, 40) &&
    inside(air_speed_ms, 0, 1) &&
    inside(vapour_pa, 0, 2_700)
  );
}

/** The vote of a large group of people in `climate`; null outside the standard's intervals, its own −2 to +2 included. */
export function predict(climate: Climate): Vote | null {
  const { air_c, humidity_percent, met, clo } = climate;
  // Annex D: saturated vapour pressure by Antoine's equation.
  const vapour_pa = humidity_percent * 10 * Math.exp(16.6536 - 4_030.183 / (air_c + 235));
  if (!inside(humidity_percent, 0, 100) || !isKnown(climate, vapour_pa)) return null;
  const heat = met * MET_W_M2;
  const insulation = clo * CLO_M2K_W;
  // Equation 4 of clause 4.1.
  const area = insulation <= 0.078 ? 1 + 1.29 * insulation : 1.05 + 0.645 * insulation;
  const pmv = vote(climate, heat, area, clothing(climate, heat, insulation, area), vapour_pa);
  if (!inside(pmv, -2, 2)) return null;
  // Equation 5.
  const ppd = 100 - 95 * Math.exp(-0.033_53 * pmv ** 4 - 0.217_9 * pmv ** 2);
  return { pmv, ppd };
}

interface Surface {
  readonly celsius: number;
  /** Convective heat transfer, W/(m²·K). */
  readonly convection: number;
}

/** Halvings of an interval of some tens of kelvins: far below what the vote shows. */
const HALVINGS = 40;

/**
 * Equations 2 and 3: the surface temperature of the clothing at which radiation and convection carry away what conduction brings. The
 * loss rises with the temperature, and the warmest and the coldest thing around bound it, so halving always finds it.
 */
function clothing(climate: Climate, heat: number, insulation: number, area: number): Surface {
  const { air_c, radiant_c, air_speed_ms } = climate;
  const skin = 35.7 - 0.028 * heat;
  const forced = 12.1 * Math.sqrt(air_speed_ms);
  const convectionAt = (celsius: number): number => Math.max(forced, 2.38 * Math.abs(celsius - air_c) ** 0.25);
  const excess = (celsius: number): number => {
    const lost = radiation(area, celsius, radiant_c) + area * convectionAt(celsius) * (celsius - air_c);
    return celsius - (skin - insulation * lost);
  };
  let low = Math.min(skin, air_c, radiant_c);
  let high = Math.max(skin, air_c, radiant_c);
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    if (excess(middle) > 0) high = middle;
    else low = middle;
  }
  return { celsius: low, convection: convectionAt(low) };
}

/** The radiation term of equations 1 and 2. */
function radiation(area: number, surface_c: number, radiant_c: number): number {
  return 3.96e-8 * area * ((surface_c + ZERO_C) ** 4 - (radiant_c + ZERO_C) ** 4);
}

/** Equation 1: what the body has too much or too little of, term by term, as a vote. */
function vote(climate: Climate, heat: number, area: number, surface: Surface, vapour_pa: number): number {
  const { air_c, radiant_c } = climate;
  const skin = 3.05e-3 * (5_733 - 6.99 * heat - vapour_pa);
  const sweat = Math.max(0, 0.42 * (heat - MET_W_M2));
  const breathWet = 1.7e-5 * heat * (5_867 - vapour_pa);
  const breathDry = 0.001_4 * heat * (34 - air_c);
  const radiated = radiation(area, surface.celsius, radiant_c);
  const convected = area * surface.convection * (surface.celsius - air_c);
  const load = heat - skin - sweat - breathWet - breathDry - radiated - convected;
  return (0.303 * Math.exp(-0.036 * heat) + 0.028) * load;
}
