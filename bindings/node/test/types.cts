// The same from CommonJS.
import asyncguest = require('asyncguest');

const guest = asyncguest.start();
guest.sleep(1).then(() => guest.cancel());
// @ts-expect-error no argument
guest.sleep();
export const text: string = asyncguest.version + asyncguest.includeDir;
