// Escalations by contract only: Kafka, the JSON Schema of the event, and nothing of Tocsin's.
//
//   node consumer.mjs [--bootstrap host:port] [--prefix p] [--group g] [--schemas folder] [--idle-s n]
//
// One JSON line per event that is new for its case. At least once, in order per case: an offset is
// committed after its event is dealt with, and what is not above the last case_seq is passed over.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Consumer } from '@platformatic/kafka'
import Ajv from 'ajv/dist/2020.js'

const TYPE = 'case.event.v1'

const { values: told } = parseArgs({
  options: {
    bootstrap: { type: 'string', default: '127.0.0.1:9092' },
    prefix: { type: 'string', default: '' },
    group: { type: 'string', default: 'node-example' },
    schemas: { type: 'string', default: join(import.meta.dirname, '../../../shared/schemas') },
    'idle-s': { type: 'string' }
  }
})

// strict: false, since a schema may use keywords that ajv does not know.
const ajv = new Ajv({ strict: false, allErrors: true })
const valid = ajv.compile(JSON.parse(readFileSync(join(told.schemas, `${TYPE}.json`), 'utf8')))
const last = new Map()

/** Say what is to be done with a message: an event, or why there is none. */
function read(value) {
  let event
  try {
    event = JSON.parse(value.toString('utf8'))
  } catch (error) {
    return { skipped: 'poison', detail: error.message }
  }
  if (event?.type !== TYPE) return { skipped: 'unknown', detail: String(event?.type) }
  if (!valid(event)) return { skipped: 'invalid', detail: ajv.errorsText(valid.errors) }
  if (event.case && event.case_seq <= (last.get(event.case_id) ?? -1)) {
    return { skipped: 'old', detail: `${event.case_id} ${event.case_seq}` }
  }
  return { event }
}

/** What a real consumer would do something with. */
function handle(event, headers) {
  const { case_id, case_seq, kind, epoch } = event
  const id = headers.get('ce_id') ?? event.event_id
  console.log(JSON.stringify({ id, case_id, case_seq, kind, epoch, severity: event.case?.severity }))
}

const consumer = new Consumer({
  clientId: told.group,
  groupId: told.group,
  bootstrapBrokers: told.bootstrap.split(','),
  sessionTimeout: 10_000,
  heartbeatInterval: 3_000,
  maxWaitTime: 250
})

const stream = await consumer.consume({
  topics: [`${told.prefix}escalations`],
  autocommit: false,
  mode: 'committed',
  fallbackMode: 'earliest',
  isolationLevel: 1 // read committed: what a transaction took back is not seen
})

let idle
const stop = () => stream.close()
const rest = () => {
  clearTimeout(idle)
  if (told['idle-s']) idle = setTimeout(stop, Number(told['idle-s']) * 1000)
}
process.once('SIGINT', stop)
process.once('SIGTERM', stop)
rest()

for await (const message of stream) {
  rest()
  const headers = new Map([...message.headers].map(([name, value]) => [String(name), String(value)]))
  const { event, skipped, detail } = read(message.value ?? Buffer.alloc(0))
  if (event) {
    handle(event, headers)
    if (event.case) last.set(event.case_id, event.case_seq)
  } else {
    console.error(JSON.stringify({ skipped, detail, partition: message.partition, offset: String(message.offset) }))
  }
  await message.commit()
}
clearTimeout(idle)
await consumer.close(true)
