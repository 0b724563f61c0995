/** Runs a bench to its end. However it ends, whatever it started ends with it: that is done on exit. */
export async function main(task: () => Promise<void>): Promise<never> {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, () => process.exit(code));
  }
  try {
    await task();
    process.exit(0);
  } catch (error) {
    console.error((error as Error).message);
    process.exit(1);
  }
}
