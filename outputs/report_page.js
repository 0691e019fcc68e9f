/* The charts of report.html. Everything they show comes from the JSON in #data; what they made is
   told in the attributes data-charts and data-errors of the root element, for tests. */
'use strict';
(function () {
  const root = document.documentElement;
  const made = {};
  const errors = [];
  const tell = () => {
    root.dataset.charts = JSON.stringify(made);
    root.dataset.errors = JSON.stringify(errors);
  };
  window.addEventListener('error', (e) => { errors.push(String(e.message)); tell(); });

  const D = JSON.parse(document.getElementById('data').textContent);
  const words = { r: 'relu', s: 'sigmoid', t: 'tanh', w: 'swish', g: 'gelu' };
  const shortGenomes = D.genome.split(' ');
  const genome = (i) => {
    if (!shortGenomes[i]) return 'genome: see candidates.csv';
    const parts = shortGenomes[i].split('-');
    const head = parts.pop();
    return parts.map((p) => p[0] + 'C' + p.slice(1, -1) + ':' + words[p.slice(-1)]).join('-') +
      '-FC64:' + words[head];
  };
  const name = (id) => 'c' + String(id).padStart(6, '0');
  /* A genome in lines that end with a layer. */
  const lines = (text, length) => {
    const out = [''];
    for (const part of text.split(/(?<=-)/)) {
      if (out[out.length - 1].length + part.length > length) out.push('');
      out[out.length - 1] += part;
    }
    return out;
  };
  const about = (i) => [
    name(D.id[i]) + ', generation ' + D.gen[i] + ', ' + D.opNames[D.op[i]],
    D.p[i].toLocaleString('en') + ' parameters, accuracy ' + D.a[i].toFixed(4),
    ...lines(genome(i), 56)];
  const color = (v) => getComputedStyle(root).getPropertyValue(v).trim();
  const charts = [];
  let palette;
  const readPalette = () => {
    palette = {};
    for (const v of ['fg', 'dim', 'line', 'accent', 'good', 'bad', 'point', 'band', 'bg'])
      palette[v] = color('--' + v);
  };

  /* `build` gives type, data and scales with the colours of the moment. */
  function chart(id, build) {
    const canvas = document.getElementById(id);
    if (!canvas) return;
    const make = () => {
      const c = build();
      c.options = Object.assign({
        animation: false, responsive: true, maintainAspectRatio: false, parsing: false,
        normalized: true,
        interaction: { mode: 'nearest', intersect: true }
      }, c.options);
      return new Chart(canvas, c);
    };
    const entry = { make, chart: make() };
    charts.push(entry);
    made[id] = {};
    for (const d of entry.chart.data.datasets) made[id][d.label] = d.data.length;
  }
  const axis = (title, more) => Object.assign({
    type: 'linear', title: { display: true, text: title, color: palette.fg },
    ticks: { color: palette.dim, maxRotation: 0 }, grid: { color: palette.line }
  }, more);
  const legend = () => ({ labels: { color: palette.fg, boxWidth: 14,
    filter: (item) => !item.text.startsWith('_') } });
  const dots = (label, data, c, size, more) => Object.assign({
    type: 'scatter', label, data, pointRadius: size, pointHoverRadius: size + 3,
    backgroundColor: c, borderColor: c, borderWidth: 0 }, more);
  /* A candidate on the front is a point of two sets, and is told once. */
  const tips = { displayColors: false,
    filter: (item, at, all) => item.raw.i === undefined ||
      all.findIndex((other) => other.raw.i === item.raw.i) === at,
    callbacks: { title: () => '',
    label: (t) => (t.raw.i !== undefined ? about(t.raw.i) : t.dataset.label + ' ' +
      (Math.round(t.raw.y * 1e4) / 1e4) + ' at ' + t.raw.x) } };
  const small = D.id.length > 3000 ? 1.5 : 3;

  function size() {
    const xy = (i) => ({ x: D.p[i], y: D.a[i], i });
    const front = D.front.map(xy).sort((a, b) => a.x - b.x || a.y - b.y);
    const best = D.id.indexOf(D.best);
    const sets = [
      dots('Pareto front', front, palette.accent, 4,
        { type: 'line', borderColor: palette.accent, borderWidth: 2, stepped: 'before' }),
      dots('candidates', D.id.map((_, i) => xy(i)), palette.point, small)];
    if (best >= 0)
      sets.unshift(dots('best', [xy(best)], palette.bad, 7, { pointStyle: 'rectRot' }));
    return { type: 'scatter', data: { datasets: sets }, options: {
      plugins: { legend: legend(), tooltip: tips },
      scales: {
        x: axis('parameters (logarithmic scale)', { type: 'logarithmic', ticks: { color: palette.dim,
          maxRotation: 0, autoSkip: true, maxTicksLimit: 9,
          callback: (v) => ([1, 2, 5].includes(+String(v)[0]) && /^[125]0*$/.test(String(v))
            ? v.toLocaleString('en') : null) } }),
        y: axis('validation accuracy (share of images)', { grace: '5%' }) } } };
  }

  function progress() {
    const best = [];
    let top = -1;
    D.id.forEach((id, i) => {
      if (D.a[i] > top) { top = D.a[i]; best.push({ x: id, y: top, i }); }
    });
    if (best.length) best.push({ x: D.id[D.id.length - 1], y: top, i: best[best.length - 1].i });
    const gen = D.generations.filter((g) => g[1] !== null);
    const at = (g, k) => ({ x: (g[0] + 0.5) * D.population, y: g[k] });
    const line = (label, data, c, more) => Object.assign({ type: 'line', label, data,
      borderColor: c, backgroundColor: c, pointRadius: 0, borderWidth: 2 }, more);
    return { type: 'scatter', data: { datasets: [
      line('best so far', best, palette.accent, { stepped: 'before' }),
      line('mean of a generation', gen.map((g) => at(g, 2)), palette.good,
        { borderWidth: gen.length > 300 ? 1 : 2 }),
      line('best and worst of a generation', gen.map((g) => at(g, 1)), palette.band,
        { fill: '+1', backgroundColor: palette.band, borderWidth: 1 }),
      line('_worst', gen.map((g) => at(g, 3)), palette.band, { borderWidth: 1 }),
      dots('candidates', D.id.map((id, i) => ({ x: id, y: D.a[i], i })), palette.point, small)] },
    options: { plugins: { legend: legend(), tooltip: tips },
      scales: { x: axis('candidates, in the order of proposal'),
        y: axis('validation accuracy (share of images)', { grace: '5%' }) } } };
  }

  function operators() {
    const used = D.operators.filter((o) => o[1] !== null);
    return { type: 'bar', data: { labels: used.map((o) => o[0]), datasets: [
      { label: '95 % interval', data: used.map((o) => ({ x: [o[2], o[3]], y: o[0] })),
        backgroundColor: palette.bad, barThickness: 3, grouped: false },
      { label: 'children better than their parent', data: used.map((o) => ({ x: o[1], y: o[0] })),
        backgroundColor: palette.accent, barThickness: 16, grouped: false }] },
    options: { indexAxis: 'y', parsing: undefined, normalized: false,
      plugins: { legend: legend(), tooltip: { enabled: false } },
      scales: { x: axis('share of the children that were compared', { min: 0 }),
        y: { ticks: { color: palette.fg }, grid: { display: false },
          type: 'category' } } } };
  }

  function curves() {
    const hue = (i) => 'hsl(' + (210 + 67 * i) % 360 + ',65%,55%)';
    return { type: 'scatter', data: { datasets: D.curves.map((c, i) => ({ type: 'line',
      label: name(c[0][0]) + ', seed ' + (c[0][1] + 1), borderColor: hue(i),
      backgroundColor: hue(i), borderWidth: 2, pointRadius: 2,
      data: c[1].map((loss, e) => ({ x: e + 1, y: loss })) })) },
    options: { plugins: { legend: legend(), tooltip: tips },
      scales: { x: axis('epoch', { ticks: { color: palette.dim, precision: 0 } }),
        y: axis('training loss (nats)') } } };
  }

  function duration(s) {
    if (s < 120) return Math.round(s) + ' s';
    if (s < 7200) return Math.round(s / 60) + ' min';
    return Math.floor(s / 3600) + ' h ' + String(Math.round(s % 3600 / 60)).padStart(2, '0') + ' min';
  }

  function timeline() {
    const box = document.getElementById('timeline');
    if (!box || !D.lanes.length) return;
    const make = (tag, attributes, text) => {
      const e = document.createElementNS('http://www.w3.org/2000/svg', tag);
      for (const k in attributes) e.setAttribute(k, attributes[k]);
      if (text !== undefined) e.textContent = text;
      return e;
    };
    const draw = () => {
      const width = Math.max(320, box.clientWidth), right = width - 4, high = 36;
      const height = D.lanes.length * high + 24;
      const x = (s) => 2 + (right - 2) * s / (D.seconds || 1);
      const svg = make('svg', { viewBox: '0 0 ' + width + ' ' + height, height, role: 'img',
        'aria-label': 'What each slot did when' });
      D.lanes.forEach((l, i) => {
        const idle = Math.max(0, D.seconds - l[2] - l[3]);
        svg.append(make('text', { x: 2, y: i * high + 13 }, l[0].slice(0, width / 13) + ' #' + l[1] +
          ': ' + Math.round(100 * idle / (D.seconds || 1)) + ' % idle' +
          (l[3] > 0 ? ', ' + duration(l[3]) + ' failed' : '')));
        svg.append(make('rect', { x: 2, y: i * high + 17, width: right - 2, height: 15,
          fill: 'var(--box)', stroke: 'var(--line)' }));
      });
      const fill = ['var(--accent)', 'var(--bad)', 'var(--good)'];
      for (const [lane, kind, from, to] of D.spans)
        svg.append(make('rect', { x: x(from).toFixed(1), y: lane * high + 17,
          width: Math.max(0.6, x(to) - x(from) - 0.5).toFixed(1), height: 15, fill: fill[kind] }));
      const base = D.lanes.length * high + 14;
      svg.append(make('text', { x: 2, y: base }, '0'));
      svg.append(make('text', { x: right, y: base, 'text-anchor': 'end' }, duration(D.seconds)));
      box.replaceChildren(svg);
    };
    draw();
    new ResizeObserver(() => { if (Math.abs(box.clientWidth - box.drawn) > 4) {
      box.drawn = box.clientWidth; draw(); } }).observe(box);
    box.drawn = box.clientWidth;
    made.timeline = { lanes: D.lanes.length, spans: D.spans.length };
  }

  readPalette();
  chart('size', size);
  chart('progress', progress);
  chart('operators', operators);
  chart('curves', curves);
  timeline();
  tell();
  window.addEventListener('load', () => {
    made.images = [...document.images].filter((i) => i.naturalWidth > 0).length;
    tell();
  });

  const again = () => {
    readPalette();
    for (const entry of charts) { entry.chart.destroy(); entry.chart = entry.make(); }
  };
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', again);
  matchMedia('print').addEventListener('change', again);
  /* On paper nothing can be unfolded. */
  const folded = [];
  window.addEventListener('beforeprint', () => {
    for (const d of document.querySelectorAll('details:not([open])')) { d.open = true; folded.push(d); }
  });
  window.addEventListener('afterprint', () => {
    while (folded.length) folded.pop().open = false;
  });
})();
