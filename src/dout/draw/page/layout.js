// Where everything stands, for whichever layers are open: the arithmetic of coordinates.py, layout.py and paint.py.
//
// Columns and the order in them come from Python: a layer has the same ports open and closed, so neither changes when
// it opens. tests/test_draw_page_layout.py holds both languages to the same numbers.

// The non-decreasing numbers nearest to `wishes` in the weighted least-squares sense (pool adjacent violators).
function isotonic(wishes, weights) {
  const pools = [];
  wishes.forEach((wish, i) => {
    let pool = { mean: wish, mass: weights[i], count: 1 };
    while (pools.length && pools[pools.length - 1].mean > pool.mean) {
      const other = pools.pop();
      const mass = pool.mass + other.mass;
      const mean = (pool.mean * pool.mass + other.mean * other.mass) / mass;
      pool = { mean, mass, count: pool.count + other.count };
    }
    pools.push(pool);
  });
  return pools.flatMap((pool) => Array(pool.count).fill(pool.mean));
}

// How far below the first block of its column each block has to be at least.
function offsetsOf(column, up, down, between) {
  let offset = 0;
  return column.map((block, i) => {
    if (i) offset += down[column[i - 1]] + between + up[block];
    return offset;
  });
}

// Each column from the top, all centred on one line.
function stacked(columns, up, down, between) {
  const heights = new Array(up.length).fill(0);
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

// Move one column to where its edges on one side pull it, in order and at distance.
function settle(column, offsets, heights, side, faint) {
  const wishes = [];
  const weights = [];
  column.forEach((block, i) => {
    const pull = side[block];
    if (pull.total) {
      let wish = pull.shift;
      for (const [other, weight] of pull.others) wish += weight * heights[other];
      wishes.push(wish / pull.total - offsets[i]);
      weights.push(pull.total);
    } else {
      wishes.push(heights[block] - offsets[i]);
      weights.push(faint);
    }
  });
  isotonic(wishes, weights).forEach((place, i) => { heights[column[i]] = place + offsets[i]; });
}

// A height for each block so that neighbours in a column keep their distance and edges run level.
function setHeights(columns, up, down, pulls, sizes) {
  const heights = stacked(columns, up, down, sizes.between);
  const side = () => up.map(() => ({ others: [], total: 0, shift: 0 }));
  const [before, after] = [side(), side()];
  const add = (pull, other, shift, weight) => {
    pull.others.push([other, weight]);
    pull.total += weight;
    pull.shift += weight * shift;
  };
  for (const { source, target, leaves, meets, weight } of pulls) {
    add(after[source], target, meets - leaves, weight);
    add(before[target], source, leaves - meets, weight);
  }
  const forward = columns.map((column) => [column, offsetsOf(column, up, down, sizes.between)]);
  const backward = [...forward].reverse();
  for (let round = up.length < sizes.many ? sizes.rounds : sizes.fewerRounds; round > 0; round--) {
    for (const [column, offsets] of backward) settle(column, offsets, heights, after, sizes.faint);
    for (const [column, offsets] of forward) settle(column, offsets, heights, before, sizes.faint);
  }
  return heights;
}

// The links, cut into pieces that lead from column to column: through the virtual blocks of their chains.
function piecesOf(level, blocks) {
  return level.links.flatMap(([source, out, target, port], i) => {
    const way = [source, ...level.chains[i], target];
    return way.slice(1).map((next, j) => {
      const from = way[j];
      const leaves = from < blocks.length ? blocks[from].outs[out] : 0;
      const meets = next < blocks.length ? blocks[next].ins[port] : 0;
      const weight = from < blocks.length && next < blocks.length ? 1 : 2;
      return { source: from, target: next, leaves, meets, weight };
    });
  });
}

// Left and right end of each column; gaps are wider where edges climb far.
function spansOf(level, blocks, heights, pieces, rank) {
  const climb = level.columns.map(() => 0);
  for (const { source, target, leaves, meets } of pieces) {
    const rise = Math.abs(heights[source] + leaves - (heights[target] + meets));
    climb[rank[source]] = Math.max(climb[rank[source]], rise);
  }
  let left = 0;
  return level.columns.map((column, i) => {
    const here = column.filter((b) => b < blocks.length).map((b) => blocks[b]);
    const most = (size, pull) => here.reduce((m, b) => (Boolean(b.pull) === pull ? Math.max(m, size(b)) : m), 0);
    const pulled = most((b) => b.lead, true) + most((b) => b.run, true);
    const width = Math.max(most((b) => b.lead + b.run, false), pulled);
    const span = [left, left + width];
    left += width + 36 + Math.min(44, climb[i] * 0.15);
    return span;
  });
}

// Left end of each block and where its run starts and ends. Pulled blocks stand at the right, runs equally long.
function across(columns, blocks, spans) {
  const x = [];
  const run = [];
  columns.forEach((column, i) => {
    const [left, right] = spans[i];
    const real = column.filter((b) => b < blocks.length);
    const longest = real.reduce((m, b) => (blocks[b].pull ? Math.max(m, blocks[b].run) : m), 0);
    for (const b of real) {
      const start = blocks[b].pull ? right - longest : left + blocks[b].lead;
      x[b] = start - blocks[b].lead;
      run[b] = [start, right];
    }
  });
  return { x, run };
}

// Place the blocks and links of one level: see layout.py for what each field holds.
function layOut(level, blocks, sizes) {
  const virtual = level.chains.reduce((n, chain) => n + chain.length, 0);
  const up = [...blocks.map((b) => b.up), ...new Array(virtual).fill(0)];
  const down = [...blocks.map((b) => b.down), ...new Array(virtual).fill(0)];
  const pieces = piecesOf(level, blocks);
  let heights = setHeights(level.columns, up, down, pieces, sizes);
  const top = heights.reduce((m, y, i) => Math.min(m, y - up[i]), heights.length ? Infinity : 0);
  heights = heights.map((y) => y - top);
  const rank = [];
  level.columns.forEach((column, i) => { for (const block of column) rank[block] = i; });
  const spans = spansOf(level, blocks, heights, pieces, rank);
  const routes = level.links.map(([source, out, target, port], i) => ({
    first: rank[source],
    lines: [
      heights[source] + blocks[source].outs[out],
      ...level.chains[i].map((v) => heights[v]),
      heights[target] + blocks[target].ins[port],
    ],
  }));
  return {
    ...across(level.columns, blocks, spans),
    y: heights.slice(0, blocks.length),
    columns: spans,
    routes,
    width: spans.length ? spans[spans.length - 1][1] : 0,
    height: heights.reduce((m, y, i) => Math.max(m, y + down[i]), 0),
  };
}

// The block of an open layer: as large as what is inside, its ports where the gates inside are.
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

// A function that lays out a level and the open layers in it; what has not changed is not computed again.
function arranger(data) {
  const cache = new Map();
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
    const arranged = { number, level, blocks, inside, layout: layOut(level, blocks, data.sizes) };
    cache.set(number, { key, arranged });
    return arranged;
  };
}
