"""How files of each kind begin."""

from cleanup.kinds import FileKind

BEGINNINGS = {
    FileKind.PLAN: '{"kind":"plan","schema":1',
    FileKind.INVENTORY: '{"kind":"inventory","schema":1',
    FileKind.JOURNAL: '{"event":"run.started","timestamp":"2026-11-23T12:00:00Z"',
    FileKind.RESTORE_JOURNAL: '{"event":"restore.started"',
    FileKind.POLICY: "# ours\nversion: 1\nrules:\n  - name: a\n    match: {images: x}\n",
    FileKind.TEST: "version: 1\npolicy: p.yaml\nimages:\n  - {image: a/b:c}\n",
    FileKind.TARGETS: "version: 1\ntargets:\n  - {name: a}\n",
    FileKind.REPORT: '{\n  "report": "plan",\n',
    FileKind.PAGE: "<!DOCTYPE html>\n<html>",
    FileKind.SPREADSHEET: "target,action,reason,rule,namespace,name,tag,updated_at\n",
    FileKind.RESULTS: "<?xml version='1.0' encoding='utf-8'?>\n<testsuites name=\"image-cleanup test\">",
    FileKind.EMPTY: "",
    FileKind.WORDS: "# pins\n0a1b\nml/x:1\n",
    FileKind.OTHER: "Dear diary, rules: none",
}
