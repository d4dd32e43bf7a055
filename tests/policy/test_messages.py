"""Every mistake a policy can hold gets one message, at its place, that says what was meant."""
# ruff: noqa: E501 - one row a message

from pathlib import Path

import jsonschema
import pytest
import yaml

from cleanup.errors import PolicyError
from cleanup.policy import load
from cleanup.policy.rules import policy_file, schema
from cleanup.strict_yaml.document import parse
from tests.support.builders import bundled

BAD = bundled("bad-policies.txt")
BLIND = "the JSON Schema cannot see this"
NO_YAML = "no YAML for other readers either"
VALIDATOR = jsonschema.Draft202012Validator(schema())

HEAD = "version: 1\nrules:\n- name: a\n"

# What is written, its place, the message; BLIND where a JSON Schema accepts it all the same.
# fmt: off
IN_MATCH = [
    ("tag: ['dev-*', null]", "5:26", "YAML reads null as nothing, a text belongs here: write 'null' in quotes"),
    ("tag: []", "5:16", "any is an empty list: write an entry, or leave the key out"),
    ("tag: {}", "5:16", "the pattern is empty: write a text, or one of regex, not, any, semver"),
    ("tag: {any: dev-*}", "5:22", "any is a list, this is the text 'dev-*': start each entry with '- '"),
    ("tag: {regex: [a, b]}", "5:24", "a text belongs here, this is a list"),
    ("tag: {regex: }", "5:23", "a text belongs here, this is nothing"),
    ("tag: {not: }", "5:21", "a text belongs here, this is nothing"),
    ("tag: ", "5:15", "a text belongs here, this is nothing"),
    ("tag: {regx: a}", "5:17", "unknown key 'regx' in a pattern: perhaps you meant 'regex'"),
    ("tag: {regex: a, not: b}", "5:16", "one of regex, not, any, semver is meant: give several under any:, in a list"),
    ("tag: {regex: '(?=x)'}", "5:24", "'(?=x)' is no valid regex: invalid perl operator: (?=; RE2 has no look-around and no back references", BLIND),
    ("tag: {regex: '(a)\\1'}", "5:24", "'(a)\\1' is no valid regex: invalid escape sequence: \\1; RE2 has no look-around and no back references", BLIND),
    ("tag: {regex: '*.x'}", "5:24", "'*.x' is no valid regex: no argument for repetition operator: *", BLIND),
    ("tag: '[a'", "5:16", "'[a' is no valid glob: '[' without its ']', a literal bracket is written [[]"),
    ("tag: '[]'", "5:16", "'[]' is no valid glob: [] is an empty set, write the characters between the brackets"),
    ("tag: '[^a]'", "5:16", "'[^a]' is no valid glob: write [!a] for all characters but these"),
    ("tag: '[z-a]'", "5:16", "'[z-a]' is no valid glob: the range z-a runs backwards, write a-z", BLIND),
    ("tag: ''", "5:16", "the text is empty: write one, or leave the key out"),
    ("tag: ' a'", "5:16", "' a' has blanks at its ends: remove them"),
    ("tag: \"a\\nb\"", "5:16", "this text runs over several lines where one is meant: check the indentation of the next line, or end a block with >- instead of > or |"),
    ("tag: 'a\u00a0b'", "5:16", "a character that cannot be seen (U+00A0): type the text anew", BLIND),
    ("tag: {semver: 1.4}", "5:25", "'1.4' is no version bound: a version has three numbers, write = 1.4.0"),
    ("tag: {semver: [a]}", "5:25", "a text belongs here, this is a list"),
    ("tag: {semver: '> 2.0.0, < 1.0.0'}", "5:25", "no version is '> 2.0.0, < 1.0.0': the two bounds exclude each other", BLIND),
    ("name: {semver: '< 1.0.0'}", "5:18", "unknown key 'semver' in a pattern: only 'tag' can be compared as a version"),
    ("tag: {all: [a]}", "5:17", "unknown key 'all' in a pattern: put several conditions on one field under all: in the match"),
    ("tag: 1.10", "5:16", "YAML reads 1.10 as the number 1.1, a text belongs here: write '1.10' in quotes"),
    ("tag: yes", "5:16", "YAML reads yes as the boolean true, a text belongs here: write 'yes' in quotes"),
    ("tag: !!str 1.10", "5:16", "some YAML readers take 1.10 for a number: write '1.10' in quotes", BLIND),
    ("tag: &x 1.10", "5:16", "YAML reads 1.10 as the number 1.1, a text belongs here: write '1.10' in quotes"),
    ("size: 10GiB", "5:17", "'10GiB' is no bound on a size: write > 10GiB or <= 500MB (operators are > >= < <=)"),
    ("size: '> 10'", "5:17", "'10' is no size: the unit is missing, write 10GiB, or 10B for bytes"),
    ("size: 100", "5:17", "'100' is no bound on a size: write > 10GiB or <= 500MB (operators are > >= < <=)"),
    ("size: '> 10GiB, < 1GiB'", "5:17", "no size is '> 10GiB, < 1GiB': the two bounds exclude each other", BLIND),
    ("size: {gt: 10GiB}", "5:17", "a text belongs here, this is a mapping"),
    ("size: ['> 1GiB']", "5:17", "a text belongs here, this is a list"),
    ("size: '>10 gb'", "5:17", "'10 gb' is no size: write 10GB"),
    ("size: '10GiB - 20GiB'", "5:17", "'10GiB - 20GiB' is no bound on a size: write > 10GiB or <= 500MB (operators are > >= < <=)"),
    ("resource_tags: team=x", "5:26", "resource_tags is written as keys and patterns, {team: 'vision-*'}, this is the text 'team=x'"),
    ("resource_tags: [team]", "5:26", "resource_tags is written as keys and patterns, {team: 'vision-*'}, this is a list"),
    ("resource_tags: {team: }", "5:32", "a text belongs here, this is nothing"),
    ("resource_tags: {1: x}", "5:27", "YAML reads 1 as the number 1, a text belongs here: write '1' in quotes"),
    ("resource_tags: {}", "5:26", "resource_tags is empty: write a key and a pattern, {team: 'vision-*'}"),
    ("resource_tags: {team: 1}", "5:33", "YAML reads 1 as the number 1, a text belongs here: write '1' in quotes"),
    ("resource_tags: {'': x}", "5:27", "the text is empty: write one, or leave the key out"),
    ("resource_tags: {a: x, a: y}", "5:33", "the key 'a' is given twice, first in line 5: keep one", BLIND),
    ("all: {tag: x}", "5:16", "all is a list, this is a mapping: start each entry with '- '"),
    ("all: []", "5:16", "all is an empty list: write an entry, or leave the key out"),
    ("any: [tag]", "5:17", "a condition is written as keys with values (id, name, namespace, tag, ...), this is the text 'tag'"),
    ("not: x", "5:16", "a condition is written as keys with values (id, name, namespace, tag, ...), this is the text 'x'"),
    ("not: [{tag: x}]", "5:16", "not takes one condition: for none of several write not: {any: [...]}"),
    ("not: {}", "5:16", "the condition is empty: write one, such as namespace: dev-*"),
    ("and: [{tag: x}]", "5:11", "unknown key 'and' in a condition: perhaps you meant 'all'"),
    ("type: DEDICATED", "5:11", "unknown key 'type' in a condition: not needed, images that are not DEDICATED are never deleted"),
    ("tags: x", "5:11", "unknown key 'tags' in a condition: perhaps you meant 'tag' (the image's tag) or 'resource_tags'"),
    ("visbility: x", "5:11", "unknown key 'visbility' in a condition: perhaps you meant 'visibility'"),
    ("namespace: a, namespace: b", "5:25", "the key 'namespace' is given twice, first in line 5: keep one", BLIND),
    ("<<: {tag: x}", "5:11", "merge keys (<<) are no part of the language: write the keys out", BLIND),
    ("age: 90d", "5:11", "unknown key 'age' in a condition: ages are no conditions, write older_than in the rule, beside match"),
    ("keep_last: 5", "5:11", "unknown key 'keep_last' in a condition: it belongs to the rule, beside match"),
    ("1: 2", "5:11", "unknown key '1' in a condition: known are id, name, namespace, tag, swr_path, visibility, status, origin, service_type, arch, workspace_id, description, size, resource_tags, all, any, not"),
    ("? a", "5:13", "unknown key 'a' in a condition: known are id, name, namespace, tag, swr_path, visibility, status, origin, service_type, arch, workspace_id, description, size, resource_tags, all, any, not"),
    ("", "5:10", "match has no condition: write one, such as namespace: dev-*, or leave match out to take in every image of the project"),
    ("tag: {semver: '>= 1.0.0,'}", "5:25", "'' is no version bound: write an operator (< <= > >= = !=) and a full version, such as < 1.4.0"),
    ("tag: {semver: '>=1.0.0 <2.0.0'}", "5:25", "'>=1.0.0 <2.0.0' is no version bound: put a comma between two bounds: >= 1.0.0, < 2.0.0"),
    ("tag: {semver: 'a || b'}", "5:25", "'a || b' is no version bound: for one of several ranges write any: [{semver: ...}, {semver: ...}]"),
    ("size: '> 1GiB, < 2GiB, < 3GiB'", "5:17", "'> 1GiB, < 2GiB, < 3GiB' has 3 bounds: one or two are enough, such as > 1GiB, < 20GiB"),
    ("size: '> 10G'", "5:17", "'10G' is no size: write 10GB"),
    ("size: '> 10gib'", "5:17", "'10gib' is no size: write 10GiB"),
    ("name: [a, [b, '[c']]", "5:25", "'[c' is no valid glob: '[' without its ']', a literal bracket is written [[]"),
    ("resource_tags: {team: {semver: '< 1.0.0'}}", "5:34", "unknown key 'semver' in a pattern: only 'tag' can be compared as a version"),
    ("tag: {glob: x}", "5:17", "unknown key 'glob' in a pattern: a text without regex: is a glob already"),
    ("or: [{tag: x}]", "5:11", "unknown key 'or' in a condition: perhaps you meant 'any'"),
    ("description: \"tab\\there\"", "5:24", "a character that cannot be seen (U+0009): type the text anew"),
    ("tag: ~", "5:16", "YAML reads ~ as nothing, a text belongs here: write '~' in quotes"),
    ("tag: {not: {not: ''}}", "5:28", "the text is empty: write one, or leave the key out"),
    ("not: {not: {tagg: x}}", "5:23", "unknown key 'tagg' in a condition: perhaps you meant 'tag'"),
]
IN_A_RULE = [
    ("older_than: 90", "4:15", "'90' is not a valid duration: the unit is missing, write 90d for days or 90h for hours"),
    ("older_than: {days: 90}", "4:16", "unknown key 'days' in older_than: known are update_at, create_at"),
    ("older_than: {update_at: 90d, create_at: 3d}", "4:15", "older_than has one clock: either {update_at: 90d} or {create_at: 90d}"),
    ("older_than: '>90d'", "4:15", "'>90d' is not a valid duration: write whole numbers with the units w, d, h, m, s, such as 90d or 1d12h"),
    ("older_than: 90 days", "4:15", "'90 days' is not a valid duration: write 90d"),
    ("older_than: 90D", "4:15", "'90D' is not a valid duration: write 90d"),
    ("older_than:", "4:14", "a text belongs here, this is nothing"),
    ("older_than: {}", "4:15", "older_than has one clock: either {update_at: 90d} or {create_at: 90d}"),
    ("older_than: [90d]", "4:15", "a text belongs here, this is a list"),
    ("older_than: {updated_at: 90d}", "4:16", "unknown key 'updated_at' in older_than: perhaps you meant 'update_at'"),
    ("older_than: 1y", "4:15", "'1y' is not a valid duration: months and years have no fixed length, write 365d (m is minutes)"),
    ("older_than: '90d '", "4:15", "'90d ' has blanks at its ends: remove them"),
    ("older_than: 0d", "4:15", "'0d' is no age: write 1s or more, or delete_all: true for whatever age"),
    ("older_than: 999999d", "4:15", "'999999d' is longer than 100 years: write at most 36500d", BLIND),
    ("older-than: 90d", "4:3", "unknown key 'older-than' in a rule: perhaps you meant 'older_than'"),
    ("olderThan: 90d", "4:3", "unknown key 'olderThan' in a rule: perhaps you meant 'older_than'"),
    ("older_than: 1:30", "4:15", "'1:30' is not a valid duration: write whole numbers with the units w, d, h, m, s, such as 90d or 1d12h"),
    ("keep_last: '3'", "4:14", "'3' in quotes is a text: write 3 without quotes"),
    ("keep_last: 0", "4:14", "0 is out of range: write a whole number from 1 to 1000000000"),
    ("keep_last: -1", "4:14", "-1 is out of range: write a whole number from 1 to 1000000000"),
    ("keep_last: {count: 3, per: name}", "4:30", "per is a list, this is the text 'name': start each entry with '- '"),
    ("keep_last: {per: [name]}", "4:14", "keep_last needs the key 'count': how many of each group to keep, the newest ones"),
    ("keep_last: true", "4:14", "a whole number belongs here, this is the boolean true"),
    ("keep_last: 3.0", "4:14", "a whole number belongs here, 3.0 is none", BLIND),
    ("keep_last: 1e3", "4:14", "a whole number belongs here, this is the text '1e3'"),
    ("keep_last: {count: 3, per: []}", "4:30", "per is an empty list: write an entry, or leave the key out"),
    ("keep_last: {count: 3, per: [name, name]}", "4:30", "per names a field twice: [name, name]"),
    ("keep_last: {}", "4:14", "keep_last needs the key 'count': how many of each group to keep, the newest ones"),
    ("keep_last: 3 images", "4:14", "a whole number belongs here, this is the text '3 images'"),
    ("keep_last: 10_000", "4:14", "a whole number in plain digits belongs here: YAML reads 10_000 as the number 10000", BLIND),
    ("keep_last: 99999999999999999999999", "4:14", "a whole number in plain digits belongs here: YAML reads 99999999999999999999999 as the number 99999999999999999999999"),
    ("delete_all: false", "3:3", "a rule needs older_than or keep_last; to delete everything in its scope write delete_all: true"),
    ("delete_all: true\nolder_than: 3d", "4:3", "delete_all: true takes everything in scope: remove it, or remove older_than"),
    ("delete_all: 'true'", "4:15", "'true' in quotes is a text: write true without quotes"),
    ("delete_all: yes", "4:15", "write true instead of yes", BLIND),
    ("delete_all: 1", "4:15", "true or false belongs here, this is the number 1"),
    ("delete_all:", "4:14", "true or false belongs here, this is nothing"),
    ("description: x", "3:3", "a rule needs older_than or keep_last; to delete everything in its scope write delete_all: true"),
    ("match:\n  namespace:\n    - ml-*\n      - sandbox\nkeep_last: 1", "6:9", "this text runs over several lines where one is meant: check the indentation of the next line, or end a block with >- instead of > or |", BLIND),
]
AFTER_A_RULE = [
    ("  match:", "5:9", "match has no condition: write one, such as namespace: dev-*, or leave match out to take in every image of the project"),
    ("  match: [a]", "5:10", "match is a mapping of conditions, this is a list: put it below all: or any:"),
    ("  match: x", "5:10", "match has no condition: write one, such as namespace: dev-*, or leave match out to take in every image of the project"),
    ("  namespace: x", "5:3", "unknown key 'namespace' in a rule: it is a condition, put it below match"),
    ("  limits: 5", "5:11", "limits is written as keys with values (max_deletes, max_percent, min_remaining), this is the number 5"),
    ("  limits: {max: 5}", "5:12", "unknown key 'max' in limits: known are max_deletes, max_percent, min_remaining"),
    ("  limits: {}", "5:11", "limits is empty: write one of max_deletes, max_percent, min_remaining, or leave it out"),
    ("  limits: {max_percent: 40%}", "5:25", "write 40, without the % sign and without quotes"),
    ("  limits: {max_percent: .5}", "5:25", "a number in plain digits belongs here: YAML reads .5 as the number 0.5", BLIND),
    ("  limits: {max_percent: 1e1}", "5:25", "a number belongs here, this is the text '1e1'"),
    ("  limits: {max_percent: .inf}", "5:25", "a number in plain digits belongs here: YAML reads .inf as the number inf"),
    ("  limits: {max_percent: 100.5}", "5:25", "100.5 is no percentage: write a number from 0 to 100"),
    ("  limits: {max_deletes: 5.5}", "5:25", "a whole number belongs here, 5.5 is none"),
    ("  limits: {max_deletes: null}", "5:25", "a whole number belongs here, this is nothing"),
    ("  force: 'true'", "5:10", "'true' in quotes is a text: write true without quotes"),
    ("  force: True", "5:10", "write true instead of True", BLIND),
    ("  force: 1", "5:10", "true or false belongs here, this is the number 1"),
    ("  force:", "5:9", "true or false belongs here, this is nothing"),
    ("  enabled: true", "5:3", "unknown key 'enabled' in a rule: known are name, description, match, older_than, keep_last, delete_all, force, limits"),
    ("  filter: {tag: x}", "5:3", "unknown key 'filter' in a rule: perhaps you meant 'match'"),
    ("  action: delete", "5:3", "unknown key 'action' in a rule: a rule deletes; what to keep is said by protect, keep_last and older_than"),
    ("  max_deletes: 5", "5:3", "unknown key 'max_deletes' in a rule: put it below limits"),
    ("  description: 5", "5:16", "YAML reads 5 as the number 5, a text belongs here: write '5' in quotes"),
    ("  description:", "5:15", "a text belongs here, this is nothing"),
    ("  name: b", "5:3", "the key 'name' is given twice, first in line 3: keep one", BLIND),
    ("protect: {namespace: x}", "5:10", "protect is a list, this is a mapping: start each entry with '- '"),
    ("protect: [x]", "5:11", "a protect entry is written as keys with values (id, name, namespace, tag, ...), this is the text 'x'"),
    ("protect: [{because: x}]", "5:11", "a protect entry needs a condition, such as namespace: prod-*"),
    ("protect: [{match: {tag: x}}]", "5:12", "unknown key 'match' in a protect entry: a protect entry is the condition itself, write its keys without match"),
    ("protect: [{namespace: x, because: 5}]", "5:35", "YAML reads 5 as the number 5, a text belongs here: write '5' in quotes"),
    ("protect: [{namespace: x, reason: y}]", "5:26", "unknown key 'reason' in a protect entry: perhaps you meant 'because'"),
    ("protect: [{}]", "5:11", "a protect entry needs a condition, such as namespace: prod-*"),
    ("protects: []", "5:1", "unknown key 'protects' in a policy file: perhaps you meant 'protect'"),
    ("limit: {}", "5:1", "unknown key 'limit' in a policy file: perhaps you meant 'limits'"),
    ("max_deletes: 5", "5:1", "unknown key 'max_deletes' in a policy file: put it below limits"),
    ("match: {}", "5:1", "unknown key 'match' in a policy file: it belongs to a rule, below rules"),
    ("namespace: x", "5:1", "unknown key 'namespace' in a policy file: it is a condition, put it below match in a rule, or below protect"),
    ("images: []", "5:1", "unknown key 'images' in a policy file: a test file is read by image-cleanup test"),
    ("targets: []", "5:1", "unknown key 'targets' in a policy file: a targets file is given with --targets"),
    ("rules: []", "5:1", "the key 'rules' is given twice, first in line 2: keep one"),
    ("protect:\n- namespace: ml-*\n    - sandbox", "6:14", "this text runs over several lines where one is meant: check the indentation of the next line, or end a block with >- instead of > or |", BLIND),
]
WHOLE_FILES = [
    ("version: 1\nrules:\n  stale: {keep_last: 1}", "3:3", "rules is a list, this is a mapping: start each entry with '- '"),
    ("version: 1\nrules:", "2:7", "rules is a list, this is nothing: start each entry with '- '"),
    ("version: 1\nrules: []", "2:8", "rules is an empty list: write an entry, or leave the key out"),
    ("version: 1\nrules: stale", "2:8", "rules is a list, this is the text 'stale': start each entry with '- '"),
    ("version: 1\nrules: [a]", "2:9", "a rule is written as keys with values (name, description, match, older_than, ...), this is the text 'a'"),
    ("version: 1\nrules:\n-", "3:2", "a rule is written as keys with values (name, description, match, older_than, ...), this is nothing"),
    ("version: 1.0\nrules: [{name: a, keep_last: 1}]", "1:10", "a whole number belongs here, 1.0 is none", BLIND),
    ("version: v1\nrules: [{name: a, keep_last: 1}]", "1:10", "a whole number belongs here, this is the text 'v1'"),
    ("version: 2\nrules: [{name: a, keep_last: 1}]", "1:10", "version 2 is not known here: write version: 1"),
    ("rules: [{name: a, keep_last: 1}]", "1:1", "a policy file needs the key 'version': 1, the version of the language"),
    ("version:\nrules: [{name: a, keep_last: 1}]", "1:9", "a whole number belongs here, this is nothing"),
    ("- version: 1", "1:1", "a policy file is written as keys with values (version, protect, rules, limits), this is a list"),
    ("hello", "1:1", "a policy file is written as keys with values (version, protect, rules, limits), this is the text 'hello'"),
    ("Version: 1\nrules: [{name: a, keep_last: 1}]", "1:1", "unknown key 'Version' in a policy file: perhaps you meant 'version'"),
    ("version: 1\nrules:\n- name: 5\n  keep_last: 1", "3:9", "YAML reads 5 as the number 5, a text belongs here: write '5' in quotes"),
    ("version: 1\nrules:\n- keep_last: 1", "3:3", "a rule needs the key 'name': a name of its own, shown in plans, journals and reports"),
    ("version: 1\nrules:\n- name: ''\n  keep_last: 1", "3:9", "the text is empty: write one, or leave the key out"),
    ("version: 1\nrules:\n- name:\n  keep_last: 1", "3:8", "a text belongs here, this is nothing"),
]
# fmt: on


def in_a_rule(text: str) -> str:
    return HEAD + "".join(f"  {line}\n" for line in text.split("\n"))


CASES = [
    *((f"{HEAD}  keep_last: 1\n  match: {{{row[0]}}}\n", *row[1:]) for row in IN_MATCH),
    *((in_a_rule(row[0]), *row[1:]) for row in IN_A_RULE),
    *((f"{HEAD}  keep_last: 1\n{row[0]}\n", *row[1:]) for row in AFTER_A_RULE),
    *WHOLE_FILES,
]


@pytest.mark.parametrize("case", CASES, ids=[repr(case[0].removeprefix(HEAD)) for case in CASES])
def test_a_mistake_has_one_message_at_its_place(case: tuple[str, ...]) -> None:
    content, place, message, *blind = case
    with pytest.raises(PolicyError) as raised:
        policy_file(parse(content.encode(), "f"))
    assert [str(problem) for problem in raised.value.problems] == [f"f:{place}: {message}"]
    assert VALIDATOR.is_valid(yaml.safe_load(content)) is bool(blind)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_shows_all_its_problems(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = BAD[name]
    Path(name).write_text(content)
    notes = [line.removeprefix("#! ") for line in content.splitlines() if line.startswith("#! ")]
    verdict = notes.pop(0) if notes[0] in (BLIND, NO_YAML) else None
    with pytest.raises(PolicyError) as raised:
        load([Path(name)])
    assert [str(problem) for problem in raised.value.problems] == [f"{name}:{note}" for note in notes]
    if verdict == NO_YAML:
        with pytest.raises(yaml.YAMLError):
            yaml.safe_load(content)
    else:
        assert VALIDATOR.is_valid(yaml.safe_load(content)) is (verdict == BLIND)


def test_messages_have_no_double_quotes_since_they_travel_in_json() -> None:
    assert not [case for case in CASES if '"' in case[2]]
