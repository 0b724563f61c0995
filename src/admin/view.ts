import { own } from '../base/own.ts';
import type { Totals } from '../metrics/totals.ts';
import type { ServiceView, VersionSummary, VersionView } from '../model/api.ts';
import type { Service } from '../model/state.ts';

const NOTHING: VersionSummary = { requests: 0, errors: 0 };

/** A service as it may be shown: the truth without its secrets, and how its versions are doing. */
export function viewService(name: string, service: Service, totals: Totals): ServiceView {
  const { override, versions, ...shown } = service;
  return {
    name,
    ...shown,
    ...(override !== undefined && {
      override: { signed: override.secret !== undefined, addresses: override.addresses ?? [] },
    }),
    versions: Object.fromEntries(
      Object.entries(versions).map(([version, defined]): [string, VersionView] => {
        const counted = totals.of(name, version);
        return [
          version,
          {
            ...defined,
            weight: own(service.split.weights, version) ?? 0,
            inFlight: counted?.inFlight ?? 0,
            totals: counted?.summary() ?? NOTHING,
          },
        ];
      }),
    ),
  };
}
