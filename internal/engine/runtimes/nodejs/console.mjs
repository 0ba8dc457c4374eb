// The console, writing log lines as AWS does.
// https://docs.aws.amazon.com/lambda/latest/dg/nodejs-logging.html
import { format as print } from 'node:util';
import { format, toError } from './errors.mjs';
import { modern } from './version.mjs';

const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
let json = false;

export const current = { requestId: undefined, tenantId: undefined };

export function patchConsole() {
  json = (process.env.AWS_LAMBDA_LOG_FORMAT ?? '').toUpperCase() === 'JSON';
  if (modern) {
    current.requestId = '-';
  }
  const least = Math.max(0, LEVELS.indexOf((process.env.AWS_LAMBDA_LOG_LEVEL ?? '').toUpperCase()));
  LEVELS.forEach((level, i) => {
    console[level.toLowerCase()] = i < least && level !== 'FATAL' ? () => {} : (...args) => write(level, args);
  });
  console.log = console.info;
}

// logError logs an error that the Runtime API is told of.
export function logError(message, error) {
  if (json) {
    console.error(toError(error));
  } else {
    console.error(message, format(toError(error)));
  }
}

// write writes one event: a carriage return stands in for a line feed, which would end it.
function write(level, args) {
  const time = new Date().toISOString();
  const line = json ? jsonLine(time, level, args) : `${time}\t${current.requestId}\t${level}\t${print(args[0], ...args.slice(1))}`;
  process.stdout.write(line.replaceAll('\n', '\r') + '\n');
}

function jsonLine(timestamp, level, args) {
  const entry = { timestamp, level, requestId: current.requestId };
  if (current.tenantId) {
    entry.tenantId = current.tenantId;
  }
  if (args.length <= 1) {
    entry.message = args[0];
    try {
      return JSON.stringify(entry, (_key, v) => (v instanceof Error ? { ...describe(v), ...v } : v));
    } catch {
      entry.message = print(args[0]);
      return JSON.stringify(entry);
    }
  }
  entry.message = print(...args);
  const error = args.find((a) => a instanceof Error);
  return JSON.stringify(error ? Object.assign(entry, describe(error)) : entry);
}

const describe = (e) => ({
  errorType: e.constructor?.name ?? 'UnknownError',
  errorMessage: e.message,
  stackTrace: typeof e.stack === 'string' ? e.stack.split('\n') : [],
});
