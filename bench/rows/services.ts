import { spillway } from '../rivals/spillway.ts';
import { loaded, SMALL } from './load.ts';
import { type Ground, type Row, stand } from './row.ts';

const COUNTS = [1, 100, 10_000] as const;

/** What a request to one service costs among many. */
export async function services(ground: Ground): Promise<Row> {
  const contenders = [];
  for (const count of COUNTS) {
    const proxy = await stand(spillway(`spillway-${count}`, { services: count }), ground);
    contenders.push(loaded(String(count), proxy, SMALL, ground.seconds));
  }
  return {
    title: 'Small GET to one of so many services',
    columns: [
      { key: 'cpu', title: 'CPU µs/request', digits: 1 },
      { key: 'rate', title: 'requests/s', digits: 0 },
    ],
    contenders,
  };
}
