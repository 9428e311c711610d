// The same for ES modules; one instance, whoever imports it.
import asyncguest from './index.js';

export default asyncguest;
export const { start, live, version, includeDir, READABLE, WRITABLE, PRIORITY, ERROR, HANGUP } = asyncguest;
