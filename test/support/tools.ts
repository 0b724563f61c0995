import { insist, TOOLS } from './need.ts';

/** Installs every tool that a test may call, all at once and before any of them runs; `.ci/run` calls this. */
insist(...TOOLS);
