import { describe, expect, it } from 'vitest';
import { qualityOf, verdictOf } from './quality.ts';
import { StatusCodes } from './ua.ts';

describe('StatusCode to quality', () => {
  it.each([
    [StatusCodes.Good, 'good', null],
    [StatusCodes.GoodLocalOverride, 'good', 'local_override'],
    [StatusCodes.GoodClamped, 'good', null],
    [StatusCodes.Uncertain, 'uncertain', null],
    [StatusCodes.UncertainLastUsableValue, 'uncertain', 'stale'],
    [StatusCodes.UncertainSensorNotAccurate, 'uncertain', 'sensor_fault'],
    [StatusCodes.UncertainEngineeringUnitsExceeded, 'uncertain', 'out_of_range'],
    [StatusCodes.Bad, 'bad', 'device_error'],
    [StatusCodes.BadSensorFailure, 'bad', 'sensor_fault'],
    [StatusCodes.BadNoCommunication, 'bad', 'disconnected'],
    [StatusCodes.BadNodeIdUnknown, 'bad', 'device_error'],
    [StatusCodes.BadWaitingForInitialData, 'bad', 'stale'],
  ])('%s is %s with reason %s (row 66)', (status, quality, reason) => {
    expect(qualityOf(status)).toEqual({ quality, reason });
  });

  it('looks at the severity and not at the information bits', () => {
    expect(qualityOf({ value: 0x0000_0480, name: 'Good#Overflow|LimitLow' })).toEqual({
      quality: 'good',
      reason: null,
    });
    expect(qualityOf({ value: 0x808c_0400, name: 'BadSensorFailure#LimitLow' })).toMatchObject({ quality: 'bad' });
  });

  it('takes a code it does not know by its severity', () => {
    expect(qualityOf({ value: 0x4fff_0000, name: 'Strange' })).toEqual({ quality: 'uncertain', reason: null });
    expect(qualityOf({ value: 0xffff_0000, name: 'Stranger' })).toEqual({ quality: 'bad', reason: 'device_error' });
  });
});

describe('D2 the answer to a write', () => {
  it.each([
    [StatusCodes.Good, 'taken'],
    [StatusCodes.GoodCompletesAsynchronously, 'taken'],
    [StatusCodes.BadNotWritable, 'refused'],
    [StatusCodes.BadUserAccessDenied, 'refused'],
    [StatusCodes.BadTypeMismatch, 'refused'],
    [StatusCodes.BadOutOfRange, 'refused'],
    [StatusCodes.Uncertain, 'doubt'],
    [StatusCodes.BadTimeout, 'doubt'],
    [StatusCodes.BadCommunicationError, 'doubt'],
    [StatusCodes.BadInternalError, 'doubt'],
  ])('%s means %s', (status, verdict) => {
    expect(verdictOf(status)).toBe(verdict);
  });
});
