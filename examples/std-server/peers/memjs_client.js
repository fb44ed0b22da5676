// memjs over its whole command set, with promises and with callbacks.

'use strict';

const assert = require('assert');
const memjs = require('memjs');

const given = {};
for (let at = 2; at < process.argv.length; at += 2) {
  given[process.argv[at].replace(/^--/, '')] = process.argv[at + 1];
}

const quietLogger = { log() {} };

function check(command, got, expected) {
  assert.deepStrictEqual(got, expected, `${command}: got ${String(got)}, expected ${String(expected)}`);
  console.log(`ok ${command}`);
}

async function checkRejected(command, promise, pattern) {
  let result;
  try {
    result = await promise;
  } catch (error) {
    assert.match(String(error.message), pattern, command);
    console.log(`ok ${command}`);
    return;
  }
  assert.fail(`${command}: no error, got ${JSON.stringify(result)}`);
}

function pause(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

async function text(client, key) {
  const { value } = await client.get(key);
  return value === null ? null : value.toString();
}

function connect(login) {
  const options = { retries: 1, timeout: 10, logger: quietLogger };
  return memjs.Client.create(given.server, Object.assign(options, login));
}

function perServer(call) {
  return new Promise((resolve, reject) => {
    call((error, server, stats) => (error ? reject(error) : resolve(stats)));
  });
}

async function commands(client) {
  await client.flush();
  console.log('ok flush');
  check('get of a missing key', (await client.get('missing')).value, null);
  check('set', await client.set('key', 'value', {}), true);
  check('get', await text(client, 'key'), 'value');
  check('get of the flags', (await client.get('key')).flags.toString('hex'), '00000000');
  check('set of bytes', await client.set('bytes', Buffer.from([0, 255, 13, 10]), {}), true);
  check('get of bytes', (await client.get('bytes')).value, Buffer.from([0, 255, 13, 10]));
  check('set of nothing', await client.set('empty', '', {}), true);
  check('get of nothing', await text(client, 'empty'), '');
  check('set of a key beyond ASCII', await client.set('clé', 'é', {}), true);
  check('get of a key beyond ASCII', await text(client, 'clé'), 'é');
  const longKey = 'k'.repeat(250);
  check('set of a key of 250 bytes', await client.set(longKey, 'long', {}), true);
  check('get of a key of 250 bytes', await text(client, longKey), 'long');
  const large = '0123456789abcdef'.repeat(60000);
  check('set of 960 kB', await client.set('large', large, {}), true);
  check('get of 960 kB', await text(client, 'large'), large);
  await checkRejected('set of 2 MB is refused', client.set('large', 'x'.repeat(2 << 20), {}), /too large/i);
  check('get after the refusal', await text(client, 'key'), 'value');

  check('add of a present key', await client.add('key', 'x', {}), false);
  check('add of a new key', await client.add('added', 'new', {}), true);
  check('replace of a missing key', await client.replace('absent', 'x', {}), false);
  check('replace of a present key', await client.replace('added', 'newer', {}), true);
  check('get of what was replaced', await text(client, 'added'), 'newer');
  check('append', await client.append('key', '>'), true);
  check('prepend', await client.prepend('key', '<'), true);
  // memjs 1.3.2 sends APPEND for both.
  check('get of what was joined', await text(client, 'key'), 'value><');
  await checkRejected('append to a missing key', client.append('absent', 'x'), /not stored/);
  await checkRejected('prepend to a missing key', client.prepend('absent', 'x'), /not stored/);

  check('increment creates', (await client.increment('counter', 5, { initial: 10 })).value, 10);
  check('increment', (await client.increment('counter', 5, {})).value, 15);
  check('decrement', (await client.decrement('counter', 6, {})).value, 9);
  check('decrement stops at 0', (await client.decrement('counter', 60, {})).value, 0);
  check('decrement creates', (await client.decrement('counter 2', 1, { initial: 3 })).value, 3);
  await checkRejected('increment of text', client.increment('key', 1, {}), /increment|decrement|numeric/i);

  check('delete', await client.delete('added'), true);
  check('delete of a missing key', await client.delete('added'), false);
  check('get of what was deleted', (await client.get('added')).value, null);

  check('set with a time to live', await client.set('short', 'v', { expires: 1 }), true);
  check('set to be touched', await client.set('touched', 'v', { expires: 1 }), true);
  check('touch', await client.touch('touched', 100), true);
  check('touch of a missing key', await client.touch('absent', 100), false);
  await pause(2.1);
  check('get of what has expired', (await client.get('short')).value, null);
  check('get of what was touched', await text(client, 'touched'), 'v');

  const stats = await perServer((done) => client.stats(done));
  assert(Number(stats.cmd_get) > 0 && stats.version, JSON.stringify(stats));
  console.log('ok stats');
  const settings = await perServer((done) => client.statsWithKey('settings', done));
  assert(settings.maxbytes, JSON.stringify(settings));
  console.log('ok statsWithKey');
  check('resetStats', await perServer((done) => client.resetStats(done)), {});

  // Everything in flight at once: memjs finds the callback by the opaque alone.
  const stored = [];
  for (let n = 0; n < 2000; n += 1) {
    stored.push(client.set(`many ${n}`, `value ${n}`, {}));
  }
  check('2000 sets in flight', (await Promise.all(stored)).every((one) => one === true), true);
  const read = [];
  for (let n = 0; n < 2000; n += 1) {
    read.push(text(client, `many ${n}`));
  }
  const values = await Promise.all(read);
  check('2000 gets in flight', values.every((value, n) => value === `value ${n}`), true);

  await client.flush();
  check('get after flush', (await client.get('key')).value, null);
}

function callbacks(client) {
  const steps = [
    ['set', (done) => client.set('cb', 'value', {}, done), (result) => result === true],
    ['get', (done) => client.get('cb', done), (result) => result.toString() === 'value'],
    ['add', (done) => client.add('cb', 'x', {}, done), (result) => result === false],
    ['replace', (done) => client.replace('cb', 'v', {}, done), (result) => result === true],
    ['append', (done) => client.append('cb', 'w', done), (result) => result === true],
    ['prepend', (done) => client.prepend('cb', 'u', done), (result) => result === true],
    ['touch', (done) => client.touch('cb', 10, done), (result) => result === true],
    ['increment', (done) => client.increment('cbn', 1, { initial: 1 }, done), (result) => result === true],
    ['decrement', (done) => client.decrement('cbn', 1, {}, done), (result) => result === true],
    ['delete', (done) => client.delete('cb', done), (result) => result === true],
    ['flush', (done) => client.flush(done), (result) => Object.values(result)[0] === true],
  ];
  return steps.reduce(
    (before, [name, call, expected]) =>
      before.then(
        () =>
          new Promise((resolve, reject) => {
            call((error, result) => {
              if (error || !expected(result)) {
                reject(new Error(`${name} with a callback: ${error} ${result}`));
              } else {
                console.log(`ok ${name} with a callback`);
                resolve();
              }
            });
          }),
      ),
    Promise.resolve(),
  );
}

async function main() {
  let login = {};
  if (given.user !== undefined) {
    const wrong = connect({ username: given.user, password: `${given.password}x` });
    await checkRejected('login with a wrong password', wrong.get('key'), /./);
    wrong.close();
    login = { username: given.user, password: given.password };
  }
  const client = connect(login);
  await commands(client);
  await callbacks(client);
  client.quit();
  console.log('ok quit');
  const again = connect(login);
  check('a new client after quit', await again.set('key', 'value', {}), true);
  again.close();
  console.log('ok close');
  console.log('all passed');
}

main().catch((error) => {
  console.log(`FAILED ${error.message}`);
  process.exit(1);
});
