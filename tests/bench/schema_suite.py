#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Masks of JSON schemas against JSON-Schema-Test-Suite (draft 2020-12), which lies in the source package of jsonschema:

    pip download --no-binary :all: --no-deps jsonschema && tar xf jsonschema-*.tar.gz
    ninja -C build/release mask_samples
    tests/bench/schema_suite.py build/release/tests/bench/mask_samples TOKENIZER.json jsonschema-*/json

For each schema that is taken, answers are drawn from what the mask allows, all tokens alike, and checked by jsonschema.
Prints how many schemas are always fitted, refused by name, or were answered wrongly, and the times of all masks."""

import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys

import jsonschema


def schemas_of(suite, optional):
    folder = suite / 'tests' / 'draft2020-12'
    for path in sorted(folder.rglob('*.json')):
        name = str(path.relative_to(folder))
        if name.startswith('optional') and not optional:
            continue
        for case in json.loads(path.read_text()):
            yield f'{name}: {case["description"]}', case['schema']


def no_constant(text):
    raise ValueError(f'{text} is no JSON')


def trouble_of(schema, texts, formats):
    """What is wrong with the answers, None for nothing."""
    validator = jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER if formats else None
    )
    for text in texts:
        try:
            validator.validate(json.loads(text, parse_constant=no_constant))
        except (ValueError, jsonschema.ValidationError) as error:
            return f'{text!r}: {str(error).splitlines()[0]}'
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('program')
    parser.add_argument('tokenizer')
    parser.add_argument('suite', type=pathlib.Path)
    parser.add_argument('--answers', type=int, default=50)
    parser.add_argument('--tokens', type=int, default=100)
    parser.add_argument('--optional', action='store_true', help='the optional cases too, with formats')
    parser.add_argument('--refused', action='store_true', help='list what was refused')
    options = parser.parse_args()
    cases = list(schemas_of(options.suite, options.optional))
    lines = ''.join(json.dumps(schema) + '\n' for _, schema in cases)
    arguments = [options.program, options.tokenizer, str(options.answers), str(options.tokens)]
    run = subprocess.run(arguments, input=lines, capture_output=True, text=True)
    results = [json.loads(line) for line in run.stdout.splitlines()]
    if len(results) != len(cases):
        sys.exit(f'{cases[len(results)][0]}: {run.stderr}')
    counts, reasons, opened, worst = collections.Counter(), collections.Counter(), 0, []
    for (name, schema), result in zip(cases, results):
        if 'refused' in result:
            counts['refused by name'] += 1
            reasons[re.sub(r'^[^:]*?([^.:\[\]]+): ', r'\1: ', result['refused'])] += 1
            continue
        opened += result['open']
        worst.append((result['worst_us'], result['compile_ms'], name))
        trouble = trouble_of(schema, result['answers'], options.optional)
        counts['wrong' if trouble else 'always valid'] += 1
        if trouble:
            print(f'wrong: {name}\n  {json.dumps(schema)}\n  {trouble}')
    if options.refused:
        for reason, count in reasons.most_common():
            print(f'{count:4} {reason}')
    print(
        f'{len(cases)} schemas: '
        + ', '.join(f'{counts[key]} {key}' for key in ('always valid', 'refused by name', 'wrong'))
    )
    slowest = max(worst, key=lambda each: each[1])
    print(f'answers without an end {opened}; slowest mask {max(worst)[0]:.0f} µs ({max(worst)[2]}); ')
    print(f'slowest schema {slowest[1]:.0f} ms ({slowest[2]})')
    sys.exit(counts['wrong'] > 0)


if __name__ == '__main__':
    main()
