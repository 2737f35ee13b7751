// Where Leat is meant to differ from the reference (docs/design/0005-jsonata.md): the reference's own faults, each with the
// smallest change that mends it. Where Leat and the reference differ, a reference mended so has to agree with Leat: that, and nothing coarser,
// is what explains a difference.
'use strict';

const fs = require('fs');

// Each change is [text of the source, what takes its place, how often it occurs].
exports.faults = {
  // Items of arrays and objects are evaluated side by side: which of several errors is reported is open.
  sideBySide: [
    ['await Promise.all(', 'await (async (list) => { const out = []; for (const f of list) out.push(await f()); return out; })(', 2],
    ['.map(async (item, idx) => {', '.map((item, idx) => async () => {', 1],
    ['.map(async (key, idx) => {', '.map((key, idx) => async () => {', 1],
  ],
  // An empty array as the context of an object constructor becomes [undefined], even in the caller's input.
  emptyContext: [
    ['input.push(undefined);', 'input = focus.createSequence(undefined);', 1],
  ],
  // Functions keep the token and position of an earlier call, even in another expression.
  earlierCall: [
    ["if(typeof proc === 'object') {\n                proc.token = procName;",
      "if(proc !== null && typeof proc === 'object') {\n                proc = Object.assign({}, proc);\n                proc.token = procName;", 1],
    ["if(result.body.procedure.type === 'variable') {\n                next.token",
      "if(typeof next === 'function') { const f = next; next = Object.assign(function (...a) { return f.apply(this, a); }, { arity: f.arity }); }\n" +
      "            if(next && typeof next === 'object') next = Object.assign({}, next);\n" +
      "            if(result.body.procedure.type === 'variable') {\n                next.token", 1],
  ],
  // An error within a function that was passed as an argument gets the place of the last call in tail position that led there.
  passedFunction: [
    ['err.position = proc.position || err.position;',
      "err.position = (typeof proc !== 'function' && proc.position) || err.position || proc.position;", 1],
  ],
  // Errors in a chain of functions get the place of an expression within the reference itself.
  chain: [
    ['var chain = await evaluate(chainAST, null, environment);\n                result = await apply(chain, [lhs, func], null, environment);',
      'result = defineFunction(async function (x) { return apply(func, [await apply(lhs, [x], null, environment)], null, environment); });', 1],
  ],
  // Tuples lose their variables for a predicate or grouping that follows an order-by.
  sortedTuples: [
    ['result = await evaluateSortExpression(expr, tupleBindings, environment);',
      'result = await evaluateSortExpression(expr, tupleBindings, environment); result.tupleStream = true;', 1],
  ],
  // A grouping with several keys loses the item of a tuple after the first of them.
  lostItem: [
    ['var tuple = reduceTupleStream(entry.data, environment);',
      'var tuple = Object.assign(Object.create(null), reduceTupleStream(entry.data, environment));', 1],
  ],
  // The left side of ?: and ?? is evaluated twice, and a regular expression in it is lost.
  twice: [
    ['this.condition = JSON.parse(JSON.stringify(left));\n            this.then = left;',
      "this.condition = left; this.once = 'true'; this.then = {type: 'value', value: null};", 1],
    ["this.condition = {\n                type: 'function',\n                value: '(',\n                procedure: { type: 'variable', value: 'exists' },\n" +
      '                arguments: [JSON.parse(JSON.stringify(left))]\n            };\n            this.then = left;',
      "this.condition = left; this.once = 'defined'; this.then = {type: 'value', value: null};", 1],
    ["result = {type: expr.type, position: expr.position};\n                    result.condition = processAST(expr.condition);",
      'result = {type: expr.type, position: expr.position, once: expr.once};\n                    result.condition = processAST(expr.condition);', 1],
    ['var condition = await evaluate(expr.condition, input, environment);',
      'var condition = await evaluate(expr.condition, input, environment);\n' +
      "        if (expr.once === 'true' ? fn.boolean(condition) : expr.once && condition !== undefined) return condition;\n" +
      '        if (expr.once) return evaluate(expr.else, input, environment);', 1],
  ],
  // A transform changes the caller's input too where the pattern leads there.
  changedInput: [
    ['var matches = await evaluate(expr.pattern, result, environment);',
      'const own = new Set();\n            (function walk(v) { if (v !== null && typeof v === \'object\' && !own.has(v)) { own.add(v); Object.values(v).forEach(walk); } })(result);\n' +
      '            var matches = await evaluate(expr.pattern, result, environment);', 1],
    ['for(const prop of utils.keys(update)) {\n                            match[prop]',
      'if(own.has(match)) for(const prop of utils.keys(update)) {\n                            match[prop]', 1],
    ["if(typeof match === 'object' && match !== null) {\n                                    delete", 'if(own.has(match)) {\n                                    delete', 1],
  ],
  // The marks of sequences are members of theirs for a wildcard: [*] of an object has true as a second item.
  marks: [
    ["if (input !== null && typeof input === 'object' && !isFunction(input)) {\n            utils.keys(input)",
      "if (input !== null && typeof input === 'object' && !isFunction(input)) {\n            (Array.isArray(input) ? Object.keys([...input]) : utils.keys(input))", 2],
  ],
  // A predicate or grouping after a block or condition ending in a call, at the end of a function, is applied to the
  // call itself.
  tailCall: [
    ["if (expr.type === 'function' && !expr.predicate) {\n                var thunk",
      "if (expr.predicate || expr.group || expr.keepArray) {\n                result = expr;\n" +
      "            } else if (expr.type === 'function') {\n                var thunk", 1],
  ],
  // A regular expression called with an array, an object or nothing searches what JavaScript makes of it ("a,b", "undefined"), from wherever.
  matcherInput: [
    ['re.lastIndex = fromIndex || 0;',
      "if (str === undefined || typeof str === 'function' || (str !== null && typeof str === 'object')) return undefined;\n            str = String(str);\n" +
      "            re.lastIndex = typeof fromIndex === 'number' ? fromIndex : 0;", 1],
  ],
  // What $formatNumber is given as symbols may be anything, the empty text is found everywhere in the picture, and of a zero digit of several
  // characters the first one counts in one place and all of them in another.
  symbols: [
    ['properties[key] = options[key];',
      "if(typeof options[key] === 'string' && (options[key] !== '' || ['minus-sign', 'infinity', 'NaN'].includes(key))) {\n" +
      "                    properties[key] = key === 'zero-digit' ? options[key].charAt(0) : options[key];\n                }", 1],
  ],
  // A block that begins with an array constructor, as the first step of a path, loses the parents of its items.
  blockOfArray: [
    ['if(ii === 0 && step.consarray) {', 'if(ii === 0 && step.consarray && !step.tuple) {', 1],
  ],
  // An order-by of a single value that isn't an array, after an array constructor with a predicate, has it in pieces: a text's characters, or nothing.
  sortedSingle: [
    ['var lhs = input;', 'if (!Array.isArray(input)) input = [input];\n        var lhs = input;', 1],
  ],
};

// load evaluates the reference's source with the faults of these names mended.
exports.load = (names) => {
  let source = fs.readFileSync(require.resolve('jsonata'), 'utf8');
  for (const name of names) {
    for (const [from, to, count] of exports.faults[name]) {
      const parts = source.split(from);
      if (parts.length !== count + 1) throw new Error(`${name}: ${parts.length - 1} places, want ${count}: ${from}`);
      source = parts.join(to);
    }
  }
  const m = { exports: {} };
  new Function('module', 'exports', source)(m, m.exports);
  return m.exports;
};
