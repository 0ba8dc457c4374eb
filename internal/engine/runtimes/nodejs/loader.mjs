// Finds the handler: "path/file.export.nested".
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import {
  HandlerNotFound, ImportModuleError, MalformedHandlerName, MalformedStreamingHandler, UserCodeSyntaxError,
} from './errors.mjs';
import { HttpResponseStream } from './stream.mjs';
import { modern } from './version.mjs';

export const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
export const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');

// What this resolves, it resolves from index.mjs, as the messages of AWS say.
const require = createRequire(new URL('index.mjs', import.meta.url));

export async function load(root, name) {
  if (name.includes('..')) {
    throw new MalformedHandlerName(
      `'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  }
  const base = path.basename(name);
  const folder = name.slice(0, name.indexOf(base));
  const parts = /^([^.]*)\.(.*)$/.exec(base);
  if (!parts) {
    throw new MalformedHandlerName('Bad handler');
  }
  setGlobals();
  const module = await loadModule(root, folder, parts[1]);
  return pick(module, parts[2], name);
}

function setGlobals() {
  const off = process.env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA;
  if (off === '1' || off === 'true') {
    return;
  }
  globalThis.awslambda = {
    streamifyResponse(handler, options) {
      handler[STREAMING] = 'response';
      if (typeof options?.highWaterMark === 'number') {
        handler[HIGH_WATER_MARK] = Math.trunc(options.highWaterMark);
      }
      return handler;
    },
    HttpResponseStream,
  };
}

function pick(module, names, full) {
  const find = (from) => names.split('.').reduce((value, key) => value && value[key], from);
  let handler = find(module);
  if (!handler && modern && module?.default) {
    handler = find(module.default);
  }
  if (!handler) {
    throw new HandlerNotFound(`${full} is undefined or not exported`);
  }
  if (typeof handler !== 'function') {
    throw new HandlerNotFound(`${full} is not a function`);
  }
  if (handler[STREAMING] && handler[STREAMING] !== 'response') {
    throw new MalformedStreamingHandler('Only response streaming is supported.');
  }
  return handler;
}

async function loadModule(root, folder, name) {
  const file = path.resolve(root, folder, name);
  try {
    const module = modern ? await findModern(file) : await findClassic(file);
    return module ?? require(require.resolve(name, { paths: [root, path.join(root, folder)] }));
  } catch (e) {
    if (e instanceof SyntaxError) {
      throw new UserCodeSyntaxError(e);
    }
    if (e?.code === 'MODULE_NOT_FOUND') {
      throw new ImportModuleError(e);
    }
    throw e;
  }
}

const importFile = (file) => import(pathToFileURL(file).href);
const isFile = (file) => fs.statSync(file, { throwIfNoEntry: false })?.isFile();

// findModern is how AWS loads from Node.js 24 on: everything is imported.
async function findModern(file) {
  for (const suffix of ['', '.js', '.mjs', '.cjs']) {
    if (isFile(file + suffix)) {
      return importFile(file + suffix);
    }
  }
  return undefined;
}

// findClassic is how AWS loads up to Node.js 22: CommonJS is required, so that
// its exports need not be guessed.
async function findClassic(file) {
  if (isFile(file)) {
    return require(file);
  }
  if (isFile(file + '.js')) {
    return isModule(path.dirname(file)) ? importFile(file + '.js') : require(file + '.js');
  }
  if (isFile(file + '.mjs')) {
    return importFile(file + '.mjs');
  }
  return isFile(file + '.cjs') ? require(file + '.cjs') : undefined;
}

// isModule tells whether .js files in a folder are ES modules.
function isModule(folder) {
  if (folder.endsWith('/node_modules')) {
    return false;
  }
  const file = path.join(folder, 'package.json');
  if (fs.existsSync(file)) {
    try {
      return JSON.parse(fs.readFileSync(file, 'utf8'))?.type === 'module';
    } catch (e) {
      console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, e);
      return false;
    }
  }
  return folder === '/' ? false : isModule(path.dirname(folder));
}
