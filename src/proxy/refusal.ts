import {
  BAD_CODING,
  BAD_EXPECTATION,
  BAD_METHOD,
  BAD_VERSION,
  TARGET_TOO_LONG,
  TOO_LARGE,
} from '../http/head.ts';
import { FAULTS, type Fault } from '../model/fault.ts';

/** What a head was refused for. */
export function refusal(result: number): Fault {
  switch (result) {
    case TARGET_TOO_LONG:
      return FAULTS.targetTooLong;
    case TOO_LARGE:
      return FAULTS.headTooLarge;
    case BAD_VERSION:
      return FAULTS.badVersion;
    case BAD_CODING:
      return FAULTS.notImplemented;
    case BAD_EXPECTATION:
      return FAULTS.expectationFailed;
    case BAD_METHOD:
      return FAULTS.methodNotAllowed;
    default:
      return FAULTS.badRequest;
  }
}
