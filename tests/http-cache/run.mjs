// Runs the suite against a proxy: `node run.mjs PACKAGE BASE RECORDED UNREACHED KEY RESULTS`.
//
// Prints passes by kind and by group, writes every test's result to RESULTS, and fails when a kind has fewer
// passes than RECORDED says under KEY. UNREACHED says of required and optimal tests why they cannot pass or are not
// meant to; others that fail are named, as are those that pass all the same.
import fs from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const [root, base, recordedFile, unreachedFile, key, resultsFile] = process.argv.slice(2)
const file = name => path.join(root, name)
const load = name => import(pathToFileURL(file(name)))
const fetch = createRequire(file('cli.mjs'))('node-fetch')
const groups = (await load('tests/index.mjs')).default
const { runTests, getResults } = await load('client/runner.mjs')

const KINDS = ['required', 'optimal', 'check']
const kindOf = test => test.kind ?? 'required'

// As the suite's own display: a test whose setup failed, or that depends on one that does not pass, says nothing.
const tests = new Map(groups.flatMap(group => group.tests).map(test => [test.id, test]))
const outcomes = new Map()
function outcome (results, id) {
  if (!outcomes.has(id)) outcomes.set(id, judge(results, id))
  return outcomes.get(id)
}
function judge (results, id) {
  const result = results[id]
  if (result === undefined) return 'untested'
  const needs = tests.get(id).depends_on ?? []
  if (needs.some(other => outcome(results, other) !== 'pass')) return 'dependency'
  if (result === true) return 'pass'
  return result[0] === 'Setup' ? 'setup' : 'fail'
}

// A hundred at a time: they wait for answers to become stale, three seconds each time.
await runTests(groups, fetch, false, base, 100)
const results = getResults()

const count = list => Object.fromEntries(KINDS.map(kind => {
  const some = list.filter(test => kindOf(test) === kind && outcome(results, test.id) !== 'untested')
  return [kind, { passed: some.filter(test => outcome(results, test.id) === 'pass').length, of: some.length }]
}))
const row = (name, counts) => name.padEnd(20) + KINDS.map(kind => {
  const { passed, of } = counts[kind]
  return (of === 0 ? '' : `${passed}/${of}`).padStart(10)
}).join('')

console.log(`${key}:`.padEnd(20) + KINDS.map(kind => kind.padStart(10)).join(''))
for (const group of groups) console.log(row(group.id, count(group.tests)))
const total = count([...tests.values()])
console.log(row('total', total))

const details = {}
for (const [id, test] of tests) {
  const is = outcome(results, id)
  if (is !== 'untested' && is !== 'pass') details[id] = [kindOf(test), is, results[id]?.[1] ?? '']
}
fs.writeFileSync(resultsFile, JSON.stringify({ total, details }, null, 2) + '\n')

const unreached = JSON.parse(fs.readFileSync(unreachedFile))
const meant = [...tests.keys()].filter(id => kindOf(tests.get(id)) !== 'check' && outcome(results, id) !== 'untested')
for (const id of meant) {
  const passed = outcome(results, id) === 'pass'
  if (!passed && !(id in unreached)) console.log(`${key}: ${id}: ${details[id].join(': ')}`)
  if (passed && id in unreached) console.log(`${key}: ${id} passes, and ${unreachedFile} says why it does not`)
}

const recorded = JSON.parse(fs.readFileSync(recordedFile))[key]
let failed = 0
for (const kind of KINDS) {
  if (total[kind].passed < recorded[kind]) {
    failed++
    console.log(`${key}: ${kind}: ${total[kind].passed} passed, ${recorded[kind]} are recorded (${resultsFile} says which failed)`)
  }
}
console.log(`test result: ${failed === 0 ? 'ok' : 'FAILED'}. ${KINDS.length - failed} passed; ${failed} failed; http-cache ${key}`)
process.exit(failed === 0 ? 0 : 1)
