/** The connectors that there are: the only list. */
import type { Connector } from '@fibric/sdk';
import { pms } from './pms.ts';

export const CONNECTORS: readonly Connector[] = [pms];
