"use strict";
// The table of images: read from the page's data, searched, narrowed, sorted; only the rows in sight are made.
// Every text from outside goes through textContent.
(() => {
  const ROW = 36, AROUND = 10, NEWEST = 5, PRINTED = 200, LONGEST = 300, MANY = 10000;
  const natural = new Intl.Collator("en", { numeric: true }).compare;
  const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  const UNSEARCHED = ["truths", "outlook", "swr_path", "visibility", "status", "origin", "service_type", "arch"];
  const SIGNS = { y: "yes", n: "no", "?": "unknown" };
  const EXPLAIN = "image-cleanup explain";
  const get = (id) => document.getElementById(id);

  const make = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };

  // ---- values

  const number = (value) => value.toLocaleString("en-US");
  // Halves go to the even digit, as they do in all other formats.
  const tenths = (value) => (value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value)) / 10;
  const bytes = (value) => {
    let unit = 0;
    while (unit < UNITS.length - 1 && (unit ? tenths(value * 10) >= 1024 : value >= 1024)) { value /= 1024; unit += 1; }
    return `${unit ? tenths(value * 10).toLocaleString("en-US", { minimumFractionDigits: 1 }) : value} ${UNITS[unit]}`;
  };
  const time = (value) => new Date(value).toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
  const SHOWN = {
    text: (value) => value,
    number,
    bytes,
    time,
    flag: (value) => (value ? "yes" : "no"),
  };

  class Column {
    constructor(told, rows) {
      Object.assign(this, told);
      // What is left out at the end is unknown.
      while (this.raw && this.raw.length < rows) this.raw.push(null);
      while (this.codes && this.codes.length < rows) this.codes.push(-1);
      this.right = this.kind === "number" || this.kind === "bytes";
    }
    value(row) {
      if (this.raw) return this.raw[row];
      const code = this.codes[row];
      return code < 0 ? null : this.values[code];
    }
    text(row) {
      const value = this.value(row);
      if (value === null || value === undefined) return "";
      return this.name === "age_days" ? `${number(value)} d` : SHOWN[this.kind](value);
    }
    // For sorting: numbers as they are, texts by their place in order.
    keys(rows) {
      if (this.keyed) return this.keyed;
      let of = (row) => { const value = this.value(row); return value === null ? NaN : Number(value); };
      if (this.kind === "text") {
        const texts = this.codes ? [...this.values] : [...new Set(Array.from({ length: rows }, (_, row) => this.value(row)))];
        const known = texts.filter((one) => one !== null);
        // Numbers in texts by their value where there are few; of very many that takes seconds.
        const places = new Map((known.length > MANY ? known.sort() : known.sort(natural)).map((text, place) => [text, place]));
        of = (row) => { const value = this.value(row); return value === null ? NaN : places.get(value); };
      }
      this.keyed = Float64Array.from({ length: rows }, (_, row) => of(row));
      return this.keyed;
    }
  }

  class ImageColumn extends Column {
    constructor(parts) {
      super({ name: "image", title: "image", kind: "text", shown: true });
      this.parts = parts;
    }
    value(row) {
      const [namespace, name, tag] = this.parts.map((part) => (part && part.value(row)) || "?");
      return `${namespace}/${name}:${tag}`;
    }
  }

  // ---- the table

  const start = () => {
    const data = JSON.parse(get("data").textContent);
    get("data").remove();
    const columns = data.columns.map((told) => new Column(told, data.rows));
    const named = Object.fromEntries(columns.map((column) => [column.name, column]));
    if (named.name || named.tag) {
      const image = new ImageColumn([named.namespace, named.name, named.tag]);
      named.image = image;
      const place = columns.findIndex((one) => !["target", "outcome", "action", "change"].includes(one.name));
      columns.splice(place < 0 ? columns.length : place, 0, image);
    }
    const shown = columns.filter((column) => column.shown).slice(0, 9);
    const wrap = get("rows"), table = get("images"), body = table.tBodies[0], dialog = get("why");
    // What is out of sight is two rows of its height; they stay, or the browser loses its place.
    const above = make("tr", {}, make("td", {})), below = above.cloneNode(true);
    body.before(make("tbody", { "aria-hidden": "true" }, above));
    body.after(make("tbody", { "aria-hidden": "true" }, below));
    let view = Int32Array.from({ length: data.rows }, (_, row) => row);
    let sorted = null, active = 0, printing = false, texts = null, drawn = "";
    const chosen = new Map();

    // Rows

    const look = (row) => (named.outcome || named.action || { value: () => "" }).value(row) || "none";

    const makeRow = (place) => {
      const row = view[place];
      const made = make("tr", {
        tabindex: place === active ? "0" : "-1",
        "aria-rowindex": place + 2,
        "data-place": place,
        class: `row is-${/^[a-z-]+$/.test(look(row)) ? look(row) : "none"}`,
        "aria-haspopup": "dialog",
      });
      for (const column of shown) {
        const cell = make("td", { class: cellClass(column) });
        const text = column.text(row);
        cell.textContent = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
        if (column.choice && (column.name === "action" || column.name === "outcome")) {
          cell.replaceChildren(make("span", { class: "chip" }, text || "no result"));
        }
        made.append(cell);
      }
      return made;
    };

    const cellClass = (column) => `k-${column.kind} n-${column.name}${column.right ? " right" : ""}`;

    const draw = () => {
      const first = printing ? 0 : Math.max(0, Math.floor(wrap.scrollTop / ROW) - AROUND);
      const seen = Math.ceil((wrap.clientHeight || 600) / ROW) + 2 * AROUND;
      const last = Math.min(view.length, printing ? PRINTED : first + seen);
      const now = `${first} ${last} ${printing}`;
      if (now === drawn) return;
      drawn = now;
      const focused = body.contains(document.activeElement);
      above.firstChild.style.height = `${first * ROW}px`;
      below.firstChild.style.height = `${printing ? 0 : (view.length - last) * ROW}px`;
      const rows = [];
      for (let place = first; place < last; place += 1) rows.push(makeRow(place));
      body.replaceChildren(...rows);
      if (focused) focusActive();
    };

    const focusActive = () => {
      const found = body.querySelector(`[data-place="${active}"]`);
      if (found) found.focus({ preventScroll: true });
    };

    const redraw = () => { drawn = ""; draw(); };

    // Searching, narrowing, sorting

    const searched = () => {
      if (texts) return texts;
      const apart = named.image ? named.image.parts : [];
      const told = columns.filter((column) => column.kind === "text" && !UNSEARCHED.includes(column.name) && !apart.includes(column));
      texts = Array.from({ length: data.rows }, (_, row) => {
        let text = "";
        for (const column of told) text += `${column.value(row) ?? ""}\n`;
        return text.toLowerCase();
      });
      return texts;
    };

    const narrow = () => {
      const words = get("search").value.toLowerCase().split(/\s+/).filter(Boolean);
      const all = words.length ? searched() : null;
      const wanted = [...chosen].filter(([, code]) => code !== null);
      const found = new Int32Array(data.rows);
      let length = 0;
      for (let row = 0; row < data.rows; row += 1) {
        if (wanted.some(([column, code]) => column.codes[row] !== code)) continue;
        if (words.some((word) => !all[row].includes(word))) continue;
        found[length] = row;
        length += 1;
      }
      view = found.subarray(0, length);
      if (sorted) order();
      active = 0;
      wrap.scrollTop = 0;
      tell();
      redraw();
    };

    const order = () => {
      const keys = sorted.column.keys(data.rows), sign = sorted.down ? -1 : 1;
      view = view.slice().sort((one, other) => {
        const a = keys[one], b = keys[other];
        if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b) || one - other;
        return sign * (a - b) || one - other;
      });
    };

    const sizes = named.size && named.size.raw;
    const tell = () => {
      const more = data.left_out ? ` (${number(data.left_out)} more are not in this page)` : "";
      let sum = 0;
      if (sizes) for (const row of view) sum += sizes[row] || 0;
      const weight = sum ? `, ${bytes(sum)}` : "";
      get("found").textContent = `${number(view.length)} of ${number(data.rows)} images${weight}${more}`;
      get("unprinted").textContent = view.length > PRINTED
        ? `The first ${number(PRINTED)} images are printed; ${number(view.length - PRINTED + data.left_out)} are not.` : "";
      get("nothing").hidden = view.length > 0;
      table.setAttribute("aria-rowcount", view.length + 1);
      get("clear").hidden = !get("search").value && ![...chosen.values()].some((code) => code !== null);
    };

    const sortBy = (column, head) => {
      sorted = { column, down: sorted && sorted.column === column ? !sorted.down : column.right };
      for (const one of table.tHead.rows[0].cells) one.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
      narrow();
    };

    // Head and controls

    const makeHead = () => {
      const row = make("tr", { "aria-rowindex": 1 });
      for (const column of shown) {
        const button = make("button", { type: "button" }, column.title);
        const head = make("th", { scope: "col", "aria-sort": "none", class: cellClass(column) }, button);
        button.addEventListener("click", () => sortBy(column, head));
        row.append(head);
      }
      table.tHead.replaceChildren(row);
      table.setAttribute("aria-colcount", shown.length);
    };

    const makeChoice = (column) => {
      const counts = new Map();
      for (const code of column.codes) counts.set(code, (counts.get(code) || 0) + 1);
      if (counts.size < 2) return;
      const entries = [...counts].sort((a, b) => b[1] - a[1]);
      const select = make("select", { id: `choose-${column.name}` }, make("option", { value: "" }, "all"));
      for (const [code, times] of entries) {
        const text = code < 0 ? "none" : column.values[code];
        const told = text.length > 60 ? `${text.slice(0, 60)}…` : text;
        select.append(make("option", { value: code }, `${told} (${number(times)})`));
      }
      chosen.set(column, null);
      select.addEventListener("change", () => {
        chosen.set(column, select.value === "" ? null : Number(select.value));
        narrow();
      });
      get("choices").append(make("label", {}, make("span", {}, column.title), select));
    };

    const choose = (name, value) => {
      const column = named[name], select = get(`choose-${name}`);
      select.value = String(column.values.indexOf(value));
      chosen.set(column, Number(select.value));
      narrow();
      get("list").scrollIntoView({ block: "start" });
    };

    const linkCharts = () => {
      for (const word of document.querySelectorAll("[data-field]")) {
        const { field, value } = word.dataset;
        const column = named[field];
        if (!get(`choose-${field}`) || !column || !column.values || !column.values.includes(value)) continue;
        const button = make("button", { type: "button", class: "word", title: `show only ${value}`.slice(0, LONGEST) }, value);
        button.addEventListener("click", () => choose(field, value));
        word.replaceWith(button);
      }
    };

    // Why

    const open = (place) => {
      active = place;
      const row = view[place], of = (name) => (named[name] ? named[name].text(row) : "");
      const parts = [];
      const state = of("outcome") || of("action") || of("change");
      const chips = make("p", { class: `chips is-${/^[a-z-]+$/.test(look(row)) ? look(row) : "none"}` });
      for (const word of [state || (named.outcome ? "no result" : ""), of("reason"), of("rule") && `rule ${of("rule")}`]) {
        if (word) chips.append(make("span", { class: "chip" }, word));
      }
      parts.push(chips);
      for (const word of [of("why"), of("detail"), of("error_msg") && `${of("error_code")} ${of("error_msg")}`, force(row), of("outlook")]) {
        if (word && word.trim()) parts.push(make("p", { class: "said" }, word));
      }
      if (of("old_enough_at")) parts.push(make("p", { class: "said" }, `Old enough after ${of("old_enough_at")}.`));
      parts.push(...conditions(row), ...more(row), ...group(row), ...sharing(row), make("h3", {}, "All that is known"), known(row));
      get("why-title").textContent = named.image ? named.image.text(row) : of("id");
      get("why-body").replaceChildren(...parts);
      if (!dialog.open) dialog.showModal();
      get("why-body").scrollTop = 0;
      get("why-place").textContent = `${number(place + 1)} of ${number(view.length)}`;
    };

    const force = (row) => {
      if (!named.force || !named.action || named.action.value(row) !== "delete") return "";
      if (named.force.value(row)) return "Its content in SWR is deleted too (force).";
      const withheld = named.force_withheld && named.force_withheld.value(row);
      return withheld ? `Its content in SWR stays: force is withheld (${withheld}).` : "Its content in SWR stays and can be registered again.";
    };

    const conditions = (row) => {
      const rules = data.rules[named.report ? named.report.value(row) : 0] || [];
      const rule = named.rule && rules.find((one) => one.name === named.rule.value(row));
      if (!rule) return [];
      const truths = (named.truths && named.truths.value(row)) || "";
      const list = make("ul", { class: "conditions" });
      rule.conditions.forEach(([text, depth, attribute], place) => {
        const sign = truths[place] || "?", column = named[attribute];
        const value = column ? column.text(row) : "";
        const met = !attribute ? "" : value ? `is ${value}` : kept(row) ? "" : "missing";
        list.append(make("li", { class: `depth-${Math.min(depth, 5)} sign-${{ y: "y", n: "n" }[sign] || "u"}` },
          make("span", { class: "sign" }, sign !== "?" || !kept(row) ? SIGNS[sign] || "unknown" : ""),
          make("span", { class: "condition" }, text), make("span", { class: "met" }, met)));
      });
      const head = make("h3", {}, `Rule ${rule.name}`);
      return [head, make("p", { class: "about" }, rule.terms), list];
    };

    // A plan file holds less of what is kept: the command that shows the rest, said once.
    const more = (row) => {
      const command = data.explain[named.report ? named.report.value(row) : 0];
      if (!kept(row) || !command) return [];
      const id = named.id.text(row), quoted = /^[\w-]+$/.test(id) ? id : `'${id.replaceAll("'", "'\\''")}'`;
      const [start, rest] = [command.slice(0, EXPLAIN.length), command.slice(EXPLAIN.length)];
      return [make("p", { class: "about" }, "Of a kept image a plan file holds its name, tag and date. Every value, all who use it and the other rules:"),
        make("pre", {}, `${start} ${quoted}${rest}`)];
    };

    const kept = (row) => named.action && named.action.value(row) === "keep";

    const together = (row, other) => !named.report || named.report.value(row) === named.report.value(other);

    // What is kept of the same namespace and name, the newest first.
    const group = (row) => {
      if (!named.action || !named.name || !named.updated_at) return [];
      const alike = [named.namespace, named.name].filter(Boolean).map((column) => [column, column.value(row)]);
      const stay = [];
      let all = 0;
      for (let other = 0; other < data.rows; other += 1) {
        if (!alike.every(([column, value]) => column.value(other) === value) || !together(row, other)) continue;
        all += 1;
        if (kept(other)) stay.push(other);
      }
      if (all < 2) return [];
      stay.sort((one, other) => (named.updated_at.value(other) || 0) - (named.updated_at.value(one) || 0));
      const list = make("ul");
      for (const other of stay.slice(0, NEWEST)) {
        const words = [named.tag ? named.tag.text(other) || "no tag" : "", named.reason.text(other), named.updated_at.text(other)];
        list.append(make("li", {}, `${words.filter(Boolean).join(", ")}${other === row ? " (this one)" : ""}`));
      }
      const told = `${number(all - stay.length)} go, ${number(stay.length)} stay${stay.length > NEWEST ? `, of these the newest ${NEWEST}:` : stay.length ? ":" : ""}`;
      return [make("h3", {}, "All of its namespace and name"), make("p", { class: "about" }, told), list];
    };

    // Records of the same name and tag, or of the same path, may have the same content.
    const sharing = (row) => {
      if (!named.tag) return [];
      const alike = [named.namespace, named.name, named.tag].filter(Boolean).map((column) => [column, column.value(row)]);
      const path = named.swr_path && named.swr_path.value(row), found = [];
      for (let other = 0; other < data.rows && found.length <= 20; other += 1) {
        if (other === row || !together(row, other)) continue;
        const same = alike.every(([column, value]) => value !== null && column.value(other) === value);
        if (same || (path && named.swr_path.value(other) === path)) found.push(other);
      }
      if (!found.length) return [];
      const list = make("ul");
      const id = named.id || named.image_id;
      for (const other of found.slice(0, 20)) {
        list.append(make("li", {}, `${named.image.text(other)} ${id ? id.text(other) : ""}: ${look(other)}`));
      }
      if (found.length > 20) list.append(make("li", {}, "and more"));
      return [make("h3", {}, "May share its content"), list];
    };

    const known = (row) => {
      const list = make("dl", { class: "facts" });
      for (const column of columns) {
        if (["image", "report", "truths", "outlook", "detail", "why"].includes(column.name)) continue;
        const text = column.text(row);
        if (text !== "") list.append(make("dt", {}, column.title), make("dd", {}, text));
      }
      return list;
    };

    // Keys

    const go = (place) => {
      active = Math.max(0, Math.min(view.length - 1, place));
      const top = active * ROW, head = table.tHead.offsetHeight;
      if (top < wrap.scrollTop) wrap.scrollTop = top;
      if (top + ROW > wrap.scrollTop + wrap.clientHeight - head) wrap.scrollTop = top + ROW + head - wrap.clientHeight;
      redraw();
      focusActive();
    };

    const pressed = (event) => {
      const page = Math.max(1, Math.floor(wrap.clientHeight / ROW) - 2);
      const steps = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page, Home: 0, End: view.length - 1 };
      if (event.key in steps) go(steps[event.key]);
      else if (event.key === "Enter" || event.key === " ") open(active);
      else return;
      event.preventDefault();
    };

    const listen = () => {
      let asked = 0, waiting = 0;
      wrap.addEventListener("scroll", () => {
        cancelAnimationFrame(asked);
        asked = requestAnimationFrame(draw);
      }, { passive: true });
      body.addEventListener("click", (event) => {
        const row = event.target.closest("[data-place]");
        if (row && !String(getSelection())) open(Number(row.dataset.place));
      });
      body.addEventListener("focusin", (event) => {
        const row = event.target.closest("[data-place]");
        if (row) active = Number(row.dataset.place);
      });
      body.addEventListener("keydown", pressed);
      get("search").addEventListener("input", () => {
        clearTimeout(waiting);
        waiting = setTimeout(narrow, 120);
      });
      get("clear").addEventListener("click", () => {
        get("search").value = "";
        for (const [column] of chosen) { chosen.set(column, null); get(`choose-${column.name}`).value = ""; }
        narrow();
      });
      get("close").addEventListener("click", () => dialog.close());
      get("next").addEventListener("click", () => open(Math.min(view.length - 1, active + 1)));
      get("previous").addEventListener("click", () => open(Math.max(0, active - 1)));
      dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
      dialog.addEventListener("close", () => go(active));
      addEventListener("resize", redraw);
      const print = (on) => { printing = on; redraw(); };
      matchMedia("print").addEventListener("change", (event) => print(event.matches));
      addEventListener("beforeprint", () => print(true));
      addEventListener("afterprint", () => print(false));
    };

    makeHead();
    columns.filter((column) => column.choice).forEach(makeChoice);
    linkCharts();
    listen();
    get("controls").hidden = false;
    get("loading").hidden = true;
    wrap.hidden = false;
    tell();
    draw();
    document.documentElement.classList.add("ready");
  };

  // What is above is painted first. A page in the background gets no frames.
  let begun = false;
  const begin = () => { if (!begun) { begun = true; start(); } };
  requestAnimationFrame(() => setTimeout(begin));
  setTimeout(begin, 500);
})();
