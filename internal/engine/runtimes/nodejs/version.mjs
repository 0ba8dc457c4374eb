// Which Node.js runtime of AWS's this is to be.
export const major = Number(/nodejs(\d+)/.exec(process.env.AWS_EXECUTION_ENV ?? '')?.[1] ?? process.versions.node.split('.')[0]);

// With Node.js 24 AWS's client was written anew: no callbacks, and other details.
export const modern = major >= 24;
