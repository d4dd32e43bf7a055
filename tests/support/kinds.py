"""How files of each kind begin."""

from cleanup.cli.kinds import PathKind

BEGINNINGS = {
    PathKind.PLAN: '{"kind":"plan","schema":1',
    PathKind.INVENTORY: '{"kind":"inventory","schema":1',
    PathKind.JOURNAL: '{"event":"run.started","timestamp":"2026-11-23T12:00:00Z"',
    PathKind.RESTORE_JOURNAL: '{"event":"restore.started"',
    PathKind.POLICY: "# ours\nversion: 1\nrules:\n  - name: a\n    match: {images: x}\n",
    PathKind.CASES: "version: 1\npolicy: p.yaml\nimages:\n  - {image: a/b:c}\n",
    PathKind.TARGETS: "version: 1\ntargets:\n  - {name: a}\n",
    PathKind.REPORT: '{\n  "report": "plan",\n',
    PathKind.PAGE: "<!DOCTYPE html>\n<html>",
    PathKind.SPREADSHEET: "target,action,reason,rule,namespace,name,tag,updated_at\n",
    PathKind.RESULTS: "<?xml version='1.0' encoding='utf-8'?>\n<testsuites name=\"image-cleanup test\">",
    PathKind.EMPTY: "",
    PathKind.LIST: "# pins\n0a1b\nml/x:1\n",
    PathKind.OTHER: "Dear diary, rules: none",
}
