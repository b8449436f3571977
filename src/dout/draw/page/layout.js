// The places of all things, for whichever layers are open: the arithmetic of coordinates.py, layout.py and paint.py.
//
// Columns and the order in them come from Python: a layer has the same ports open and closed, so neither changes when
// it opens. tests/test_draw_page_layout.py holds both languages to the same numbers.

// The part of a level that holds whatever is open: the pieces of links, from column to column through the virtual
// blocks of their chains, and the pieces that pull each block from either side. Arrays of numbers, not objects: every
// layer that opens walks through this.
function planOf(level) {
  const pieces = { source: [], out: [], target: [], port: [], weight: [] };
  const real = level.blocks.length;
  const add = (source, out, target, port) => {
    pieces.source.push(source);
    pieces.out.push(out);
    pieces.target.push(target);
    pieces.port.push(port);
    pieces.weight.push(source < real && target < real ? 1 : 2);
  };
  level.links.forEach(([source, out, target, port], i) => {
    let [from, leaves] = [source, out];
    for (const virtual of level.chains[i]) {
      add(from, leaves, virtual, 0);
      [from, leaves] = [virtual, 0];
    }
    add(from, leaves, target, port);
  });
  const count = real + level.chains.reduce((n, chain) => n + chain.length, 0);
  const columns = level.columns.map((column) => Int32Array.from(column));
  const rank = new Int32Array(count);
  columns.forEach((column, i) => { for (const block of column) rank[block] = i; });
  const longest = columns.reduce((n, column) => Math.max(n, column.length), 0);
  return {
    count, columns, rank, pieces,
    after: sideOf(pieces.source, pieces.target, pieces.weight, count),
    before: sideOf(pieces.target, pieces.source, pieces.weight, count),
    pools: [0, 1, 2].map(() => new Float64Array(longest)),
  };
}

// The pulls on each block from one side: others[start[block] … start[block + 1]], their weights, and the sum of those.
function sideOf(blocks, others, weights, count) {
  const start = new Int32Array(count + 1);
  for (const block of blocks) start[block + 1]++;
  for (let i = 0; i < count; i++) start[i + 1] += start[i];
  const next = start.slice();
  const side = { start, others: new Int32Array(blocks.length), weights: new Float64Array(blocks.length) };
  side.totals = new Float64Array(count);
  for (let i = 0; i < blocks.length; i++) {
    const at = next[blocks[i]]++;
    side.others[at] = others[i];
    side.weights[at] = weights[i];
    side.totals[blocks[i]] += weights[i];
  }
  return side;
}

// The least distance of each block below the first block of its column.
function offsetsOf(column, up, down, between) {
  const offsets = new Float64Array(column.length);
  for (let i = 1; i < column.length; i++) {
    offsets[i] = offsets[i - 1] + (down[column[i - 1]] + between + up[column[i]]);
  }
  return offsets;
}

// Each column from the top, all centred on one line.
function stacked(columns, up, down, between) {
  const heights = new Float64Array(up.length);
  for (const column of columns) {
    let y = -between;
    for (const block of column) {
      y += between + up[block];
      heights[block] = y;
      y += down[block];
    }
    for (const block of column) heights[block] -= y / 2;
  }
  return heights;
}

// Move one column to where its edges on one side pull it, in order and at distance: to the heights nearest to the
// wished ones in the weighted least-squares sense (isotonic regression; pool adjacent violators).
function settle(column, offsets, heights, side, shifts, faint, [means, masses, ends]) {
  let pools = 0; // each a mean, a mass, and where in the column it ends
  for (let i = 0; i < column.length; i++) {
    const block = column[i];
    let mass = side.totals[block];
    let mean = heights[block] - offsets[i]; // where nothing pulls it stays, unless pushed
    if (mass) {
      let wish = shifts[block];
      for (let j = side.start[block]; j < side.start[block + 1]; j++) wish += side.weights[j] * heights[side.others[j]];
      mean = wish / mass - offsets[i];
    } else mass = faint;
    while (pools && means[pools - 1] > mean) {
      pools--;
      mean = (mean * mass + means[pools] * masses[pools]) / (mass + masses[pools]);
      mass += masses[pools];
    }
    means[pools] = mean;
    masses[pools] = mass;
    ends[pools] = i + 1;
    pools++;
  }
  for (let pool = 0, i = 0; pool < pools; pool++) {
    for (; i < ends[pool]; i++) heights[column[i]] = means[pool] + offsets[i];
  }
}

// A height for each block so that neighbours in a column keep their distance and edges run level. `leaves` and `meets`
// are where each piece leaves its source and meets its target, relative to their heights.
function setHeights({ columns, pieces, before, after, pools }, up, down, leaves, meets, sizes) {
  const heights = stacked(columns, up, down, sizes.between);
  const [back, ahead] = [new Float64Array(up.length), new Float64Array(up.length)];
  for (let i = 0; i < leaves.length; i++) {
    ahead[pieces.source[i]] += pieces.weight[i] * (meets[i] - leaves[i]);
    back[pieces.target[i]] += pieces.weight[i] * (leaves[i] - meets[i]);
  }
  const offsets = columns.map((column) => offsetsOf(column, up, down, sizes.between));
  const move = (i, side, shifts) => settle(columns[i], offsets[i], heights, side, shifts, sizes.faint, pools);
  for (let round = up.length < sizes.many ? sizes.rounds : sizes.fewerRounds; round > 0; round--) {
    for (let i = columns.length - 1; i >= 0; i--) move(i, after, ahead);
    for (let i = 0; i < columns.length; i++) move(i, before, back);
  }
  return heights;
}

// Left and right end of each column; gaps are wider where edges climb far.
function spansOf({ columns, rank, pieces }, blocks, heights, leaves, meets, sizes) {
  const climb = new Float64Array(columns.length);
  for (let i = 0; i < leaves.length; i++) {
    const [source, target] = [pieces.source[i], pieces.target[i]];
    const rise = Math.abs(heights[source] + leaves[i] - (heights[target] + meets[i]));
    if (rise > climb[rank[source]]) climb[rank[source]] = rise;
  }
  let left = 0;
  return columns.map((column, i) => {
    let [free, lead, run] = [0, 0, 0]; // the widest block; of pulled ones lead and run apart, for their runs are equal
    for (const b of column) {
      const block = blocks[b];
      if (block && block.pull) [lead, run] = [Math.max(lead, block.lead), Math.max(run, block.run)];
      else if (block) free = Math.max(free, block.lead + block.run);
    }
    const width = Math.max(free, lead + run);
    const span = [left, left + width];
    left += width + sizes.gap + Math.min(sizes.wider, climb[i] * sizes.climb);
    return span;
  });
}

// Left end of each block and where its run starts and ends. Pulled blocks stand at the right, runs equally long.
function across(columns, blocks, spans) {
  const x = [];
  const run = [];
  columns.forEach((column, i) => {
    const [left, right] = spans[i];
    let longest = 0;
    for (const b of column) if (blocks[b] && blocks[b].pull) longest = Math.max(longest, blocks[b].run);
    for (const b of column) {
      if (!blocks[b]) continue; // a virtual one
      const start = blocks[b].pull ? right - longest : left + blocks[b].lead;
      x[b] = start - blocks[b].lead;
      run[b] = [start, right];
    }
  });
  return { x, run };
}

// Place the blocks and links of one level: see layout.py for what each field holds.
function layOut(level, plan, blocks, sizes) {
  const [up, down] = [new Float64Array(plan.count), new Float64Array(plan.count)];
  blocks.forEach((block, i) => { [up[i], down[i]] = [block.up, block.down]; });
  const { source, out, target, port } = plan.pieces;
  const leaves = Float64Array.from(source, (block, i) => (block < blocks.length ? blocks[block].outs[out[i]] : 0));
  const meets = Float64Array.from(target, (block, i) => (block < blocks.length ? blocks[block].ins[port[i]] : 0));
  const heights = setHeights(plan, up, down, leaves, meets, sizes);
  let top = heights.length ? Infinity : 0;
  for (let i = 0; i < heights.length; i++) top = Math.min(top, heights[i] - up[i]);
  let height = 0;
  for (let i = 0; i < heights.length; i++) {
    heights[i] -= top;
    height = Math.max(height, heights[i] + down[i]);
  }
  const spans = spansOf(plan, blocks, heights, leaves, meets, sizes);
  const routes = level.links.map(([from, stem, to, end], i) => {
    const lines = [heights[from] + blocks[from].outs[stem]];
    for (const virtual of level.chains[i]) lines.push(heights[virtual]);
    lines.push(heights[to] + blocks[to].ins[end]);
    return { first: plan.rank[from], lines };
  });
  const width = spans.length ? spans[spans.length - 1][1] : 0;
  const y = Array.from(heights.subarray(0, blocks.length));
  return { ...across(plan.columns, blocks, spans), y, columns: spans, routes, width, height };
}

// The block of an open layer: it fits the level inside, and its ports are at the heights of the gates there.
function openBlock(item, inside, sizes) {
  const gates = (kind) => inside.level.items.flatMap((one, i) => (one.kind === kind ? [inside.layout.y[i]] : []));
  const half = (inside.layout.height + sizes.header + sizes.foot) / 2;
  const outs = gates("exit").map((y) => y + sizes.header - half);
  const stems = item.stems || [];
  return {
    lead: Math.max(inside.layout.width + 2 * sizes.pad, item.title),
    run: stems.reduce((m, stem) => Math.max(m, stem.run + stem.tail), 0),
    up: stems.reduce((m, stem, i) => Math.max(m, stem.up - outs[i]), half),
    down: stems.reduce((m, stem, i) => Math.max(m, stem.down + outs[i]), half),
    ins: gates("entry").map((y) => y + sizes.header - half),
    outs,
    half,
  };
}

// A function that lays out a level and the open layers in it; unchanged levels are not computed again.
function arranger(data) {
  const cache = new Map();
  const plans = [];
  const layersIn = data.levels.map(() => []);
  for (let number = data.levels.length - 1; number >= 0; number--) { // insides come after what is around them
    for (const item of data.levels[number].items) {
      if (item.inside) layersIn[number].push(item.id, ...layersIn[item.inside]);
    }
  }
  return function arrange(number, open) {
    const key = layersIn[number].filter((id) => open.has(id)).join();
    const kept = cache.get(number);
    if (kept && kept.key === key) return kept.arranged;
    const level = data.levels[number];
    const inside = new Map();
    level.items.forEach((item, i) => {
      if (item.inside && open.has(item.id)) inside.set(i, arrange(item.inside, open));
    });
    const blocks = level.blocks.map((block, i) =>
      inside.has(i) ? openBlock(level.items[i], inside.get(i), data.sizes) : block);
    const plan = plans[number] || (plans[number] = planOf(level));
    const arranged = { number, level, blocks, inside, layout: layOut(level, plan, blocks, data.sizes) };
    cache.set(number, { key, arranged });
    return arranged;
  };
}
