import { open, rename } from 'node:fs/promises';

/** Writes a file beside, syncs it, and puts it in place: whoever reads sees all of the old or all of the new. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const beside = `${path}.next`;
  const file = await open(beside, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(beside, path);
}
