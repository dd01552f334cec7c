#!/usr/bin/env node
/* Colours recipes with the engine of VS Code and compares each token's scope with what the token is.

    npm install --prefix FOLDER vscode-textmate@9 vscode-oniguruma@2
    NODE_PATH=FOLDER/node_modules node tools/check_grammar.js [RECIPE ..]

Without arguments: every recipe of examples/, and the lines below, which have what those lack. A scanner of its own says what a
token is, and the reference of LANGUAGE.md which words there are. A token with another scope, and a word with none that the recipe
does not bind with `let` or `for`, is printed with its line; the exit code is then 1. Run it from the repository's root. */
'use strict';
const fs = require('fs');
const path = require('path');
const textmate = require('vscode-textmate');
const oniguruma = require('vscode-oniguruma');

const GRAMMAR = 'editors/vscode/syntaxes/recipe.tmLanguage.json';
const CONTROL = ['let', 'for', 'in', 'pub', 'allow', 'warn', 'deny'];

/** Text, and the scope of one of its tokens after another; `-` for none. */
const LINES = [
  ['/* a /* b */ c */ task: regression', 'comment.block / keyword.other.section - constant.language'],
  ['//! of the file', 'comment.line.documentation'],
  ['root: "a \\" // b", // c', 'variable.parameter - string.quoted.double - comment.line.double-slash'],
  ['"http://a" /* b', 'string.quoted.double / comment.block'],
  ['#[allow(unused_let, long_run)]', '- - keyword.control - constant.other.lint - constant.other.lint - -'],
  ['pub DogsCats {', 'keyword.control entity.name.type -'],
  ['batch: 1_000,', 'variable.parameter - constant.numeric -'],
  ['[1e-2, 1E+3, 0.25, -1]', '- constant.numeric - constant.numeric - constant.numeric - keyword.operator constant.numeric -'],
  ['fit (lr/10, cycle_len=1);', 'entity.name.function - - keyword.operator constant.numeric - '
    + 'variable.parameter keyword.operator constant.numeric - -'],
  ['fit_one_cycle(lr, 3);', 'entity.name.function - - - constant.numeric - -'],
  ['freeze_to(-1); freeze();', 'entity.name.function - keyword.operator constant.numeric - - entity.name.function - - -'],
  ['for size in [64] {', 'keyword.control - keyword.control - constant.numeric - -'],
  ['save("{size}");', 'entity.name.function - string.quoted.double - -'],
  ['metrics: [f2, average_precision],', 'keyword.other.section - - constant.language - constant.language - -'],
  ['model: resnext101_32x4d { weights: none },', 'keyword.other.section - constant.language - variable.parameter - '
    + 'constant.language - -'],
  ['transforms: basic { size: 64 },', 'keyword.other.section - constant.language - variable.parameter - constant.numeric - -'],
  ['precision: mixed, device: cpu,', 'keyword.other.section - constant.language - keyword.other.section - constant.language -'],
  ['keep_best: val_loss', 'keyword.other.section - constant.language'],
  ['valid: random(0.2, seed = 42),', 'variable.parameter - constant.language - constant.numeric - '
    + 'variable.parameter keyword.operator constant.numeric - -'],
];

/** The words of the language, from the reference of LANGUAGE.md. */
function vocabulary() {
  const page = fs.readFileSync('LANGUAGE.md', 'utf8');
  const part = title => {
    const begin = page.indexOf(`\n### ${title}\n`);
    if (begin < 0) throw new Error(`LANGUAGE.md has no part "${title}"`);
    return page.slice(begin, page.indexOf('\n### ', begin + 1));
  };
  // The words in backquotes of a column of the tables.
  const column = (text, number) => [...text.matchAll(/^\|.*$/gm)]
    .flatMap(([row]) => quoted(row.replaceAll('\\|', '').split('|')[number] ?? ''));
  const quoted = text => [...text.matchAll(/`([a-z]\w*)`/g)].map(found => found[1]);
  const titles = text => [...text.matchAll(/^#### `(\w+)`/gm)].map(found => found[1]);
  const prose = text => [...text.matchAll(/^[^|#].*$/gm)].flatMap(([line]) => quoted(line));
  const [sections, keys, steps] = ['Sections', 'Keys of sections', 'Steps'].map(part);
  const metrics = part('Metrics');
  const words = {
    section: column(sections, 1),
    key: [...column(keys, 1), ...column(steps, 1)],
    step: titles(steps),
    value: [...titles(keys), ...prose(keys), ...column(keys, 2), ...column(steps, 2), ...column(metrics, 1),
            ...column(metrics, 2), ...column(part('Architectures'), 1), ...column(sections, 2), ...column(sections, 3)],
    lint: column(part('Lints'), 1),
  };
  for (const [kind, list] of Object.entries(words)) {
    if (list.length < 5) throw new Error(`LANGUAGE.md: too few words of the kind ${kind}`);
  }
  return Object.fromEntries(Object.entries(words).map(([kind, list]) => [kind, new Set(list)]));
}

/** The tokens of a text: where they are, and whether they are a comment, string, number, word or sign. */
function scan(text) {
  const number = /\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?/.source;
  const kinds = new RegExp(`(//.*)|(/\\*)|("(?:\\\\[^]|[^"\\\\])*"?)|(${number})|([A-Za-z_]\\w*)|(\\.\\.=?|[^\\s\\w])`, 'g');
  const tokens = [];
  for (let found; (found = kinds.exec(text));) {
    const kind = ['line', 'block', 'string', 'number', 'word', 'sign'][found.slice(1).findIndex(part => part !== undefined)];
    let end = kinds.lastIndex;
    if (kind === 'block') {
      const marks = /\/\*|\*\//g;
      marks.lastIndex = end;
      for (let depth = 1, mark; depth > 0 && (mark = marks.exec(text)); end = marks.lastIndex) depth += mark[0] === '/*' ? 1 : -1;
      if (marks.lastIndex === 0) end = text.length;
      kinds.lastIndex = end;
    }
    tokens.push({ kind, start: found.index, end, text: text.slice(found.index, end) });
  }
  return tokens;
}

/** The scopes that a token may have; an empty list for none. */
function wanted(tokens, at, depth, words, bound) {
  const token = tokens[at];
  const code = direction => {
    let next = at + direction;
    while (tokens[next] && ['line', 'block'].includes(tokens[next].kind)) next += direction;
    return tokens[next]?.text;
  };
  switch (token.kind) {
    case 'line': return [/^\/\/[/!]/.test(token.text) ? 'comment.line.documentation' : 'comment.line.double-slash'];
    case 'block': return ['comment.block'];
    case 'string': return ['string.quoted.double'];
    case 'number': return ['constant.numeric'];
    case 'sign': return /^(\.\.=?|[-+*/=])$/.test(token.text) ? ['keyword.operator'] : [];
  }
  const [before, after] = [code(-1), code(1)];
  if (CONTROL.includes(token.text)) return ['keyword.control'];
  if (depth === 0 && after === '{') return ['entity.name.type'];
  if (depth === 1 && after === ':') return words.section.has(token.text) ? ['keyword.other.section'] : ['no such section'];
  // Which scopes a name of the recipe's own has is no matter: it may be spelt like a key or a word.
  if (before === 'let' || before === 'for' || (bound.has(token.text) && after !== '=' && after !== ':')) return null;
  if (after === ':' || after === '=') {
    if (!words.key.has(token.text)) return ['no such key'];
    // `train` of a folder is spelt like a section.
    return words.section.has(token.text) ? ['variable.parameter', 'keyword.other.section'] : ['variable.parameter'];
  }
  if (words.step.has(token.text) && after === '(') return ['entity.name.function'];
  if (words.lint.has(token.text) && depth > 0 && ['(', ','].includes(before)) return ['constant.other.lint'];
  return words.value.has(token.text) ? ['constant.language'] : ['no such word'];
}

/** The outermost scope of each character behind the language's own; `-` for none. */
function colour(grammar, text) {
  const scopes = [];
  let state = textmate.INITIAL;
  for (const line of text.split('\n')) {
    const done = grammar.tokenizeLine(line, state);
    if (done.stoppedEarly) throw new Error(`the engine gave up on: ${line}`);
    for (const token of done.tokens) {
      const scope = (token.scopes[1] ?? '-').replace(/\.recipe$/, '');
      for (let at = token.startIndex; at < Math.min(token.endIndex, line.length); at++) scopes.push(scope);
    }
    scopes.push('\n');
    state = done.ruleStack;
  }
  return scopes;
}

function scopeOf(scopes, token) {
  return [...new Set(scopes.slice(token.start, token.end).filter(scope => scope !== '\n'))].join(' and ');
}

function checkRecipe(grammar, words, file, counts) {
  const text = fs.readFileSync(file, 'utf8');
  const [tokens, scopes] = [scan(text), colour(grammar, text)];
  const bound = new Set(tokens.filter((_, at) => ['let', 'for'].includes(tokens[at - 1]?.text)).map(token => token.text));
  const wrong = [];
  let depth = 0;
  tokens.forEach((token, at) => {
    if (/^[}\])]$/.test(token.text)) depth -= 1;
    const [may, has] = [wanted(tokens, at, depth, words, bound), scopeOf(scopes, token)];
    if (/^[{[(]$/.test(token.text)) depth += 1;
    counts.set(has, (counts.get(has) ?? 0) + 1);
    if (may === null || (may.length === 0 ? has === '-' : may.includes(has))) return;
    const line = text.slice(0, token.start).split('\n').length;
    wrong.push(`${file}:${line}: ${token.text.split('\n')[0]}: ${may.join(' or ') || 'no scope'} wanted, it has ${has}`);
  });
  return wrong;
}

/** `/` in what is wanted stands for a gap, which is no token. */
function checkLine(grammar, [text, list]) {
  const [tokens, scopes] = [scan(text), colour(grammar, text)];
  const has = tokens.map(token => scopeOf(scopes, token));
  const wanted = list.split(' ').filter(scope => scope !== '/');
  const same = JSON.stringify(has) === JSON.stringify(wanted);
  return same ? [] : [`${text}\n    wanted: ${wanted.join(' ')}\n    has:    ${has.join(' ')}`];
}

async function main() {
  const wasm = path.join(path.dirname(require.resolve('vscode-oniguruma')), 'onig.wasm');
  await oniguruma.loadWASM(fs.readFileSync(wasm).buffer);
  const engine = {
    createOnigScanner: patterns => new oniguruma.OnigScanner(patterns),
    createOnigString: text => new oniguruma.OnigString(text),
  };
  const load = async () => textmate.parseRawGrammar(fs.readFileSync(GRAMMAR, 'utf8'), GRAMMAR);
  const registry = new textmate.Registry({ onigLib: Promise.resolve(engine), loadGrammar: load });
  const grammar = await registry.loadGrammar('source.recipe');
  const words = vocabulary();
  const below = folder => fs.readdirSync(folder, { recursive: true }).map(name => path.join(folder, name));
  const given = process.argv.slice(2);
  const files = given.length ? given : below('examples').filter(name => name.endsWith('.recipe')).sort();
  const counts = new Map();
  const wrong = [
    ...files.flatMap(file => checkRecipe(grammar, words, file, counts)),
    ...LINES.flatMap(line => checkLine(grammar, line)),
  ];
  for (const [scope, count] of [...counts].sort((a, b) => b[1] - a[1])) console.log(`${String(count).padStart(6)}  ${scope}`);
  if (wrong.length) {
    console.error(wrong.join('\n'));
    process.exit(1);
  }
  console.log(`${files.length} recipes and ${LINES.length} lines have the scopes of their tokens`);
}

main();
