import { isIP } from 'node:net';
import { addressSet, plainAddress } from '../base/cidr.ts';

/**
 * Addresses that are not of the public internet, by the IANA special-purpose registries (RFC 6890): this
 * host, private nets, link-local (where clouds keep their credentials), documentation, multicast, reserved.
 */
const INSIDE_4 = addressSet([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
]);
/**
 * All but 2000::/3, the only part that is public, and within that what is for documentation, or carries an
 * IPv4 address that would be reached (Teredo, 6to4). Apart from the IPv4 list, since a set takes an IPv4
 * address for the IPv6 address ::ffff:… too.
 */
const INSIDE_6 = addressSet([
  '::/3',
  '4000::/2',
  '8000::/1',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
]);

/** Whether an address is not one of the public internet. What is no address is none of it either. */
export function isPrivate(address: string): boolean {
  const plain = plainAddress(address);
  const family = isIP(plain);
  if (family === 4) return INSIDE_4.has(plain);
  // An address with a zone is good on this machine's own links only.
  return family !== 6 || plain.includes('%') || INSIDE_6.has(plain);
}
