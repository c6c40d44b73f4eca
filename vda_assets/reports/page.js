"use strict";
(() => {
  const GALLERY = 24, TABLE = 100;
  const OUTPUTS = ["original labels", "augmented videos", "augmented labels", "comparisons"];
  const byId = (id) => document.getElementById(id);
  const all = (query, within = document) => [...within.querySelectorAll(query)];
  const clips = JSON.parse(byId("rows-data").textContent);
  const bases = JSON.parse(byId("bases").textContent)[location.protocol === "file:" ? "disk" : "web"];
  const positions = new Map(clips.map((clip, at) => [clip.key, at]));
  const form = byId("filter"), gallery = byId("gallery"), rows = byId("rows"), dialog = byId("clip");
  const tiles = all("[data-verdict]"), selects = all("select", form), steps = all("[data-step]");
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let shown = clips, page = 0, opened = -1;

  // Whatever a clip brings along becomes text, never markup.
  function make(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name in element) element[name] = value; else element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== ""));
    return element;
  }
  const badge = (state, text = state) => make("span", {className: `badge ${state}`}, text);
  const link = (reference) => reference && reference[0] in bases ? bases[reference[0]] + reference[1] : null;
  const reasonOf = (clip) => clip.outputs.filter((one) => one && one.reason).map((one) => one.reason).join(" · ");

  // Which clips are shown
  function chosen() {
    const values = selects.filter((select) => select.value).map((select) => [select.dataset.variable, select.value]);
    return {
      verdicts: new Set(tiles.filter((tile) => tile.ariaPressed === "true").map((tile) => tile.dataset.verdict)),
      text: form.elements.text.value.trim().toLowerCase(),
      values,
      isTable: form.elements.view.value === "table",
    };
  }
  function fits(clip, {verdicts, text, values}) {
    if (verdicts.size && !verdicts.has(clip.verdict)) return false;
    if (text && !clip.file.toLowerCase().includes(text) && !clip.key.toLowerCase().includes(text)) return false;
    // All values of one and the same augmentation.
    return !values.length || clip.variants.some((one) => values.every(([name, value]) => one.values[name] === value));
  }
  function choose() {
    const asked = chosen();
    shown = clips.filter((clip) => fits(clip, asked));
    page = 0;
    draw();
    remember();
  }
  function draw() {
    const {isTable} = chosen(), size = isTable ? TABLE : GALLERY;
    const first = page * size, part = shown.slice(first, first + size);
    const range = part.length ? `${first + 1}–${first + part.length} of ${shown.length.toLocaleString("en")}` : "No clip";
    byId("count").textContent = shown.length === clips.length ? range : `${range} (of ${clips.length.toLocaleString("en")})`;
    steps[0].disabled = page === 0;
    steps[1].disabled = first + size >= shown.length;
    gallery.hidden = isTable;
    rows.hidden = !isTable;
    gallery.replaceChildren(...(isTable ? [] : part.map(card)));
    rows.replaceChildren(...(isTable ? [table(part)] : []));
  }
  function remember() {
    const {verdicts, text, values, isTable} = chosen(), hash = new URLSearchParams();
    for (const verdict of verdicts) hash.append("verdict", verdict);
    for (const [name, value] of values) hash.append(`value.${name}`, value);
    if (text) hash.set("text", text);
    if (isTable) hash.set("view", "table");
    if (opened >= 0) hash.set("clip", clips[opened].key);
    history.replaceState(null, "", `#${hash}`);
  }
  function recall() {
    const hash = new URLSearchParams(location.hash.slice(1)), verdicts = hash.getAll("verdict");
    for (const tile of tiles) tile.ariaPressed = String(verdicts.includes(tile.dataset.verdict));
    for (const select of selects) select.value = hash.get(`value.${select.dataset.variable}`) ?? "";
    for (const select of selects) if (select.selectedIndex < 0) select.value = "";
    form.elements.text.value = hash.get("text") ?? "";
    form.elements.view.value = hash.get("view") === "table" ? "table" : "gallery";
    choose();
    if (positions.has(hash.get("clip"))) open(positions.get(hash.get("clip")));
  }

  // Pictures and table
  function picture(clip, variant) {
    const frame = make("span", {className: "picture"}), source = variant && link(variant.picture);
    if (!source) {
      frame.append(variant && variant.picture ? "picture not reachable from here" : "no picture");
      return frame;
    }
    const image = make("img", {loading: "lazy", decoding: "async", alt: `original and augmented: ${clip.file}`});
    image.addEventListener("error", () => frame.replaceChildren("picture not reachable from here"), {once: true});
    if (isCalm) image.addEventListener("load", () => image.replaceWith(still(image)), {once: true});
    image.src = source;
    frame.append(image);
    return frame;
  }
  function still(image) {
    const canvas = make("canvas", {width: image.naturalWidth, height: image.naturalHeight, role: "img", "aria-label": image.alt});
    canvas.getContext("2d").drawImage(image, 0, 0);
    return canvas;
  }
  function drawn(variant) {
    return Object.entries(variant.values).map(([name, value]) =>
      make("span", {className: "chip", title: name.replaceAll("_", " ")}, value));
  }
  function card(clip) {
    const at = positions.get(clip.key), seen = clip.variants.find((one) => one.picture) ?? clip.variants[0];
    const button = make("button", {type: "button", className: "open", "aria-label": `Open ${clip.file}`}, picture(clip, seen));
    button.addEventListener("click", () => open(at));
    const more = clip.variants.length > 1 ? make("span", {className: "chip"}, `${clip.variants.length} augmentations`) : null;
    const doubts = clip.doubts.length ? badge("degraded", "doubts") : null;
    return make("li", {className: "card"}, button, make("div", {className: "about"},
      make("h3", {}, clip.file),
      make("div", {className: "row"}, badge(clip.verdict), doubts, more),
      make("div", {className: "row"}, ...(seen ? drawn(seen) : [])),
      reasonOf(clip) ? make("p", {className: "why"}, reasonOf(clip)) : null));
  }
  function table(part) {
    const head = ["clip", "verdict", ...OUTPUTS, "drawn", "GPU seconds", "cost", "reasons and doubts"];
    const body = part.map((clip) => {
      const button = make("button", {type: "button"}, clip.file);
      button.addEventListener("click", () => open(positions.get(clip.key)));
      return make("tr", {},
        make("td", {className: "names"}, button), make("td", {}, badge(clip.verdict)),
        ...clip.outputs.map((one) => make("td", {}, one ? badge(one.state) : "")),
        make("td", {className: "names"}, clip.variants.map((one) => Object.values(one.values).join(", ")).join("; ")),
        make("td", {className: "number"}, clip.gpu === null ? "" : clip.gpu.toFixed(1)),
        make("td", {className: "number"}, clip.cost),
        make("td", {className: "names"}, make("p", {className: "why"}, [reasonOf(clip), ...clip.doubts].filter(Boolean).join(" · "))));
    });
    return make("table", {}, make("thead", {}, make("tr", {}, ...head.map((name) => make("th", {scope: "col"}, name)))),
      make("tbody", {}, ...body));
  }

  // One clip
  function open(at) {
    opened = at;
    const clip = clips[at], place = shown.indexOf(clip);
    byId("clip-title").textContent = clip.file;
    for (const button of all("[data-open]", dialog)) button.disabled = place < 0 || !shown[place + Number(button.dataset.open)];
    const chooser = make("div", {className: "row tabs", role: "group", "aria-label": "What is played"});
    const stage = make("div", {}), choices = videos(clip);
    for (const [name, reference, poster] of choices) {
      const button = make("button", {type: "button", "aria-pressed": "false"}, name);
      button.addEventListener("click", () => {
        for (const other of chooser.children) other.ariaPressed = String(other === button);
        stage.replaceChildren(player(clip, name, reference, poster));
      });
      chooser.append(button);
    }
    dialog.querySelector(".body").replaceChildren(chooser, stage, facts(clip));
    if (choices.length) chooser.firstElementChild.click();
    else stage.replaceChildren(make("p", {className: "note"}, "There is no video to play."));
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    byId("clip-title").focus({preventScroll: true});
    remember();
  }
  function videos(clip) {
    const several = clip.variants.length > 1, choices = [];
    const named = (name, one) => several ? `${name} ${one.index}` : name;
    for (const one of clip.variants) if (one.comparison) choices.push([named("Side by side", one), one.comparison, one.picture]);
    if (clip.original) choices.push(["Original", clip.original, null]);
    for (const one of clip.variants) if (one.augmented) choices.push([named("Augmented", one), one.augmented, null]);
    return choices;
  }
  function player(clip, name, reference, poster) {
    const source = link(reference);
    const away = () => make("p", {className: "note"}, "This video is not reachable from here: it lies in the dataset's storage.");
    if (!source) return away();
    const video = make("video", {controls: true, preload: "none", playsInline: true, muted: true, "aria-label": `${name}: ${clip.file}`});
    if (link(poster)) video.poster = link(poster);
    video.addEventListener("error", () => video.replaceWith(away()), {once: true});
    video.src = source;
    return video;
  }
  function facts(clip) {
    const list = make("dl");
    const add = (name, ...values) => list.append(make("dt", {}, name), make("dd", {}, ...values));
    add("verdict", badge(clip.verdict));
    for (const one of clip.variants) {
      add(clip.variants.length > 1 ? `drawn for ${one.index}` : "drawn",
        Object.entries(one.values).map(([name, value]) => `${name.replaceAll("_", " ")}: ${value}`).join(", "));
    }
    clip.outputs.forEach((one, number) => {
      if (one) add(OUTPUTS[number], badge(one.state), [one.reason && ` ${one.reason}`, one.run && ` (${one.run})`].filter(Boolean).join(""));
    });
    for (const doubt of clip.doubts) add("doubt", doubt);
    if (clip.tracks) add("tracks", clip.tracks);
    if (clip.gpu !== null) add("GPU time", `${clip.gpu.toFixed(1)} s${clip.cost && ` (${clip.cost})`}`);
    add("key", make("code", {}, clip.key));
    return list;
  }
  function step(by) {
    const next = shown[shown.indexOf(clips[opened]) + by];
    if (opened >= 0 && next) open(positions.get(next.key));
  }

  for (const tile of tiles) {
    tile.addEventListener("click", () => { tile.ariaPressed = String(tile.ariaPressed !== "true"); choose(); });
  }
  form.elements.text.addEventListener("input", choose);
  form.addEventListener("change", (event) => { if (event.target !== form.elements.text) choose(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => {
    for (const tile of tiles) tile.ariaPressed = "false";
    setTimeout(choose);
  });
  for (const button of steps) {
    button.addEventListener("click", () => { page += Number(button.dataset.step); draw(); byId("clips-title").focus(); });
  }
  for (const button of all("[data-open]", dialog)) button.addEventListener("click", () => step(Number(button.dataset.open)));
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", (event) => {
    if (event.target.closest("video, input, select") || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  dialog.addEventListener("close", () => {
    const clip = clips[opened];
    opened = -1;
    dialog.querySelector(".body").replaceChildren();
    remember();
    const place = clip ? shown.indexOf(clip) - page * (chosen().isTable ? TABLE : GALLERY) : -1;
    all(chosen().isTable ? "#rows tbody button" : "#gallery .open")[place]?.focus();
  });
  addEventListener("hashchange", () => { if (location.hash.includes("=")) recall(); });
  recall();
})();
