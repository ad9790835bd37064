// Draws a head with three.js, and moves it by sliders, keys, touch and recorded motion.

// transparent layers fade where one sees them from the side, so that their outlines are no lines
const FADE = `
  uniform float sideways;   // cosine below which a layer fades; 0: it is opaque
  varying float fade;
  void findFade(float cosine) { fade = sideways > 0. ? smoothstep(0., sideways, abs(cosine)) : 1.; }`;
const LAYER_VERTEX = `${FADE}
  uniform float height;
  attribute float share;
  attribute vec3 gain;
  varying vec2 place;
  varying vec3 light;
  varying vec3 up;
  void main() {
    place = uv;
    light = gain;
    up = normalMatrix*normal;
    vec4 at = modelViewMatrix*vec4(position + height*share*normal, 1.);
    findFade(dot(up, normalize(at.xyz)));
    gl_Position = projectionMatrix*at;
  }`;
// light adds to logits of colours, so it multiplies their odds
const LAYER_FRAGMENT = `
  uniform sampler2D map;
  varying vec2 place;
  varying vec3 light;
  varying float fade;
  void main() {
    vec4 seen = texture2D(map, place);
    vec3 more = seen.rgb*light;
    gl_FragColor = vec4(more/(1. - seen.rgb + more), seen.a*fade);
  }`;
const CLAY_FRAGMENT = `
  varying vec3 up;
  void main() {
    float bright = 0.25 + 0.75*abs(dot(normalize(up), normalize(vec3(0.3, 0.5, 1.))));
    gl_FragColor = vec4(bright*vec3(0.72, 0.74, 0.78), 1.);
  }`;
const HAIR_VERTEX = `${FADE}
  uniform mat4 body;
  uniform mat4 head;
  attribute vec4 rgba;
  attribute float share;
  varying vec4 seen;
  void main() {
    seen = rgba;
    mat4 move = body*(1. - share) + head*share;
    vec4 at = modelViewMatrix*(move*vec4(position, 1.));
    findFade(dot(normalize(normalMatrix*(mat3(move)*normal)), normalize(at.xyz)));
    gl_Position = projectionMatrix*at;
  }`;
const HAIR_FRAGMENT = `
  varying vec4 seen;
  varying float fade;
  void main() { gl_FragColor = vec4(seen.rgb, seen.a*fade); }`;

const MISSING = {
  webgl: "This page draws with WebGL 2, which this browser does not offer. Try another browser, or switch hardware acceleration on in its settings.",
  unzip: "This page needs a browser of 2023 or later: Chrome 80, Firefox 113, Safari 16.4."};

// Decode the numbers of the page.
async function readNumbers(text) {
  if (typeof DecompressionStream === "undefined") throw new Error(MISSING.unzip);
  const zipped = Uint8Array.from(atob(text), c => c.charCodeAt(0));
  return new Response(new Blob([zipped]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

// Decode a texture; its colours are those of the display, and transparent texels keep theirs.
async function readTexture(bytes) {
  const options = {premultiplyAlpha: "none", colorSpaceConversion: "none"};
  const texture = new THREE.Texture(await createImageBitmap(new Blob([bytes], {type: "image/webp"}), options));
  texture.flipY = false;
  texture.generateMipmaps = true;
  texture.minFilter = THREE.LinearMipmapNearestFilter;   // half the work of trilinear filtering without a graphics card
  texture.needsUpdate = true;
  return texture;
}

// The skin: one geometry, which each layer draws at its height with its texture.
class Skin {
  constructor(head, textures) {
    const {rows, uv, triangles, share} = head.numbers, n = rows.length;
    this.head = head;
    this.geometry = new THREE.BufferGeometry();
    this.moving = {position: head.verts, normal: head.normals, gain: head.gain};
    for (const name of Object.keys(this.moving)) {
      const attribute = new THREE.BufferAttribute(new Float32Array(3*n), 3);
      attribute.setUsage(THREE.DynamicDrawUsage);
      this.geometry.setAttribute(name, attribute);
    }
    this.geometry.setAttribute("uv", new THREE.BufferAttribute(uv, 2, true));
    const shares = new Uint8Array(n).map((_, i) => share[rows[i]]);
    this.geometry.setAttribute("share", new THREE.BufferAttribute(shares, 1, true));
    this.geometry.setIndex(new THREE.BufferAttribute(triangles, 1));
    const painted = k => ({map: {value: textures[k]}, height: {value: head.info.heights[k]}, sideways: {value: k ? head.info.sideways : 0}});
    this.layers = textures.map((_, k) => this.layer(LAYER_FRAGMENT, painted(k), k, {transparent: k > 0, depthWrite: k === 0}));
    this.inside = this.layer(LAYER_FRAGMENT, painted(0), 0, {side: THREE.BackSide});
    this.clay = this.layer(CLAY_FRAGMENT, {height: {value: 0}}, 0, {side: THREE.DoubleSide});
  }

  layer(fragment, uniforms, order, look) {
    const material = new THREE.ShaderMaterial({vertexShader: LAYER_VERTEX, fragmentShader: fragment, uniforms, ...look});
    const mesh = new THREE.Mesh(this.geometry, material);
    mesh.renderOrder = order;
    mesh.frustumCulled = false;
    return mesh;
  }

  // Take the vertices of the head over, one for each corner on the texture.
  update() {
    const {rows} = this.head.numbers;
    for (const [name, from] of Object.entries(this.moving)) {
      const attribute = this.geometry.attributes[name], to = attribute.array;
      for (let i = 0; i < rows.length; i++) for (let c = 0; c < 3; c++) to[3*i + c] = from[3*rows[i] + c];
      attribute.needsUpdate = true;
    }
  }
}

// Hair, and what else stands off the head: its inner layer is opaque, the others are blended over it in their order.
class Hair {
  constructor(head) {
    const {hairVerts, hairNormals, hairTriangles, hairColours, hairShare} = head.numbers, {hair} = head.info;
    this.head = head;
    this.layers = [];
    if (!hair) return;
    const verts = new Float32Array(hairVerts.length);
    for (let i = 0; i < verts.length; i++) verts[i] = hair.low[i % 3] + hair.step*hairVerts[i];
    this.moves = {body: {value: new THREE.Matrix4()}, head: {value: new THREE.Matrix4()}};
    for (const [first, last, k] of [[0, hair.solid, 0], [hair.solid, hairTriangles.length/3, 100]]) {
      if (last <= first) continue;
      const geometry = new THREE.BufferGeometry(), look = k ? {transparent: true, depthWrite: false} : {};
      geometry.setAttribute("position", new THREE.BufferAttribute(verts, 3));
      geometry.setAttribute("normal", new THREE.BufferAttribute(hairNormals, 3, true));
      geometry.setAttribute("rgba", new THREE.BufferAttribute(hairColours, 4, true));
      geometry.setAttribute("share", new THREE.BufferAttribute(hairShare, 1, true));
      geometry.setIndex(new THREE.BufferAttribute(hairTriangles.subarray(3*first, 3*last), 1));
      const uniforms = {...this.moves, sideways: {value: k ? head.info.sideways : 0}};
      const material = new THREE.ShaderMaterial({vertexShader: HAIR_VERTEX, fragmentShader: HAIR_FRAGMENT, uniforms,
        side: THREE.DoubleSide, ...look});
      const mesh = new THREE.Mesh(geometry, material);
      mesh.renderOrder = k;
      mesh.frustumCulled = false;
      this.layers.push(mesh);
    }
  }

  // Take over how root and neck move.
  update() {
    if (!this.layers.length) return;
    for (const [name, j] of [["body", 0], ["head", 1]]) {
      const [a, b, c, d, e, f, g, h, i, x, y, z] = this.head.moves.subarray(12*j, 12*j + 12);
      this.moves[name].value.set(a, b, c, x, d, e, f, y, g, h, i, z, 0, 0, 0, 1);
    }
  }
}

// The picture: a camera that orbits, the face, and the mesh beside it on demand.
class Stage {
  constructor(canvas, head, textures) {
    try { this.renderer = new THREE.WebGLRenderer({canvas, alpha: true}); }
    catch { throw new Error(MISSING.webgl); }
    this.canvas = canvas;
    this.head = head;
    this.scene = new THREE.Scene();
    this.skin = new Skin(head, textures);
    this.hair = new Hair(head);
    this.scene.add(...this.skin.layers, this.skin.inside, this.skin.clay, ...this.hair.layers);
    const {camera} = head.info;
    this.camera = new THREE.PerspectiveCamera(30, 1, 0.02, 20);
    this.controls = new THREE.OrbitControls(this.camera, canvas);
    this.controls.target.fromArray(camera.target);
    Object.assign(this.controls, {enablePan: false, enableDamping: true, minDistance: 0.4*camera.distance, maxDistance: 3*camera.distance});
    this.beside = false;
    this.ratio = this.screenRatio();   // pixels of the picture for one of the page, while it moves
    this.pace = 1/30;                  // mean time of a picture while it moves, seconds
    this.look(0, 0.05);
  }

  // Look from an azimuth and an elevation, radians, at a distance in metres.
  look(azimuth, elevation, distance=this.head.info.camera.distance) {
    const flat = distance*Math.cos(elevation);
    this.camera.position.set(flat*Math.sin(azimuth), distance*Math.sin(elevation), flat*Math.cos(azimuth)).add(this.controls.target);
    this.controls.update();
  }

  // Turn and move closer, as arrow keys do.
  nudge(azimuth, elevation, zoom=1) {
    const away = this.camera.position.clone().sub(this.controls.target), distance = away.length();
    const up = Math.min(Math.max(Math.asin(away.y/distance) + elevation, -1.4), 1.4);
    this.look(Math.atan2(away.x, away.z) + azimuth, up, Math.min(Math.max(distance*zoom, this.controls.minDistance), this.controls.maxDistance));
  }

  pose(weights, turns) {
    this.head.pose(weights, turns);
    this.skin.update();
    this.hair.update();
  }

  screenRatio() { return Math.min(window.devicePixelRatio, 2); }

  // Make pictures coarser where they come too slowly, and finer where there is time. Smooth edges are finer pictures
  // that the browser scales down, because smoothing by the graphics card takes twice the time where there is none.
  adapt(seconds) {
    this.pace += 0.2*(seconds - this.pace);
    const screen = this.screenRatio(), ratio = this.ratio*(this.pace > 1/18 ? 0.8 : this.pace < 1/45 ? 1.25 : 1);
    const next = Math.min(Math.max(ratio, 0.5*screen), 2*screen);
    if (next !== this.ratio) this.pace = 1/30;
    this.ratio = next;
  }

  // Draw the face; `fine`: with smooth edges, for a face at rest.
  draw(fine) {
    const {clientWidth: width, clientHeight: height} = this.canvas, ratio = fine ? 2*this.screenRatio() : this.ratio;
    if (this.canvas.width !== Math.floor(width*ratio) || this.canvas.height !== Math.floor(height*ratio)) {
      this.renderer.setPixelRatio(ratio);
      this.renderer.setSize(width, height, false);
    }
    const parts = this.beside ? 2 : 1, aspect = width/parts/height, {fov} = this.head.info.camera;
    this.camera.aspect = aspect;
    this.camera.fov = 180/Math.PI*2*Math.atan(Math.tan(fov/2)/Math.min(aspect, 1));
    this.camera.updateProjectionMatrix();
    this.renderer.setScissorTest(true);
    for (let i = 0; i < parts; i++) {
      for (const layer of [...this.skin.layers, ...this.hair.layers]) layer.visible = i === 0;
      // from below one sees into the neck
      this.skin.inside.visible = i === 0 && this.camera.position.y < this.controls.target.y;
      this.skin.clay.visible = i === 1;
      this.renderer.setViewport(i*width/parts, 0, width/parts, height);
      this.renderer.setScissor(i*width/parts, 0, width/parts, height);
      this.renderer.render(this.scene, this.camera);
    }
  }
}

// What sliders and recorded motion say about expressions and joints.
class State {
  constructor(info, numbers) {
    this.info = info;
    this.motion = info.motion && {...info.motion, weights: numbers.motionWeights, turns: numbers.motionTurns};
    this.weights = new Float32Array(info.expressions);
    this.turns = new Float32Array(15);
    this.reset();
  }

  reset() {
    this.values = this.info.sliders.map(slider => slider.start);
    this.playing = false;
    this.time = 0;      // in the recorded motion, seconds
  }

  // Collect the weights and turns of all sliders, on top of the recorded motion.
  collect() {
    this.weights.fill(0);
    this.turns.fill(0);
    if (this.motion && (this.playing || this.time > 0)) this.follow();
    this.info.sliders.forEach((slider, i) => {
      for (const [kind, at, factor] of slider.moves) this[kind][at] += factor*this.values[i];
    });
  }

  // Mix the two frames of the motion around this time; it goes round.
  follow() {
    const {fps, frames, scale, weights, turns} = this.motion, place = this.time*fps % frames;
    const a = Math.floor(place), b = (a + 1) % frames, t = place - a, n = this.weights.length;
    for (let i = 0; i < n; i++) this.weights[i] = scale*((1 - t)*weights[a*n + i] + t*weights[b*n + i]);
    for (let i = 0; i < 15; i++) this.turns[i] = (1 - t)*turns[15*a + i] + t*turns[15*b + i];
  }
}

// Buttons and sliders. All names come from files of others, so they are text, never HTML.
class Panel {
  constructor(root, state, actions) {
    this.state = state;
    this.actions = actions;
    this.inputs = [];
    const {sliders, presets} = state.info;
    const chips = this.element(root.querySelector("#presets"), "div", {className: "chips"});
    presets.forEach(({name, values}) => this.button(chips, name, () => actions.preset(values)));
    for (const group of new Set(sliders.map(slider => slider.group))) {
      const box = this.element(root.querySelector("#sliders"), "details", {open: group !== "more expressions"});
      this.element(box, "summary", {textContent: group});
      sliders.forEach((slider, i) => { if (slider.group === group) this.slider(box, slider, i); });
    }
  }

  element(parent, tag, values) { return parent.appendChild(Object.assign(document.createElement(tag), values)); }

  button(parent, text, action) {
    const button = this.element(parent, "button", {textContent: text, type: "button"});
    button.addEventListener("click", action);
    return button;
  }

  slider(parent, {label, low, high, step}, i) {
    const row = this.element(parent, "label", {className: "row"});
    this.element(row, "span", {textContent: label});
    const input = this.element(row, "input", {type: "range", min: low, max: high, step, value: this.state.values[i]});
    input.addEventListener("input", () => { this.state.values[i] = input.valueAsNumber; this.actions.change(); });
    this.inputs.push([input, i]);
  }

  show() { for (const [input, i] of this.inputs) input.value = this.state.values[i]; }
}

function complain(error) {
  const box = document.getElementById("message");
  box.textContent = error.message ?? String(error);
  box.hidden = false;
  document.body.dataset.state = "failed";
}

async function main() {
  const info = JSON.parse(document.getElementById("info").textContent);
  const text = document.getElementById("numbers").textContent;
  const numbers = unpack(info.arrays, await readNumbers(text));
  const head = new Head(info, numbers);
  const textures = await Promise.all(info.heights.map((_, k) => readTexture(numbers[`texture${k}`])));
  const canvas = document.getElementById("face"), state = new State(info, numbers), stage = new Stage(canvas, head, textures);
  let changed = false;   // since the last picture
  const find = id => document.getElementById(id);
  const change = () => { changed = true; };
  const set = values => info.sliders.forEach((slider, i) => { if (slider.label in values) state.values[i] = values[slider.label]; });
  const play = on => { state.playing = on && !!state.motion; find("play").textContent = state.playing ? "Pause" : "Play"; change(); };
  const reset = () => { state.reset(); panel.show(); play(false); stage.look(0, 0.05); };
  const mesh = on => { stage.beside = find("mesh").checked = on; change(); };
  const preset = values => { play(false); state.reset(); set(values); panel.show(); change(); };
  const panel = new Panel(document, state, {change, preset});
  find("play").hidden = !state.motion;
  find("play").addEventListener("click", () => play(!state.playing));
  find("reset").addEventListener("click", reset);
  find("mesh").addEventListener("change", event => mesh(event.target.checked));
  stage.controls.addEventListener("change", change);
  new ResizeObserver(change).observe(canvas);

  const keys = {ArrowLeft: () => stage.nudge(-0.1, 0), ArrowRight: () => stage.nudge(0.1, 0), ArrowUp: () => stage.nudge(0, 0.1),
    ArrowDown: () => stage.nudge(0, -0.1), "+": () => stage.nudge(0, 0, 0.9), "-": () => stage.nudge(0, 0, 1.1), r: reset,
    m: () => mesh(!stage.beside), " ": () => play(!state.playing)};
  info.presets.slice(0, 9).forEach(({values}, i) => { keys[i + 1] = () => preset(values); });
  document.addEventListener("keydown", event => {
    const own = event.target.closest("input, button, summary");   // they use keys themselves
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys) || (own && event.key.length > 1)
        || (own && event.key === " ")) return;
    event.preventDefault();
    keys[event.key]();
    change();
  });

  const draw = fine => { state.collect(); stage.pose(state.weights, state.turns); stage.draw(fine); };
  let last = performance.now(), still = 0;   // seconds since the last change
  let moved = false, fine = false;           // whether the last picture moved, and whether it had smooth edges
  const frame = now => {
    const seconds = (now - last)/1000;
    last = now;
    if (state.playing) state.time += Math.min(seconds, 0.1);
    stage.controls.update();
    const moves = changed || state.playing;
    changed = false;
    if (moves) {
      if (moved) stage.adapt(seconds);
      draw(false);
      still = 0;
      fine = false;
    } else if (!fine && (still += seconds) > 0.2) {
      draw(true);
      fine = true;
    }
    moved = moves;
    requestAnimationFrame(frame);
  };
  draw(false);
  requestAnimationFrame(frame);
  if (location.hash === "#play") play(true);

  // for pages around this one, and for tests
  window.nerflame = {
    head, stage,
    set: values => { set(values); panel.show(); change(); },
    look: (azimuth, elevation, distance) => { stage.look(azimuth, elevation, distance); change(); },
    // Draw n pictures of the size of the page while the jaw and the view move; return how many a second.
    speed: n => {
      stage.ratio = 1;
      const gl = stage.renderer.getContext(), pixel = new Uint8Array(4), begin = performance.now();
      for (let i = 0; i < n; i++) {
        state.values[0] = 0.2 + 0.2*Math.sin(i/5);
        stage.look(0.6*Math.sin(i/15), 0.05);
        draw(false);
        gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);   // waits for the picture
      }
      reset();
      return 1000*n/(performance.now() - begin);
    },
    // Return a picture of a state as the address of a PNG; fine: twice as wide and high.
    picture: ({weights, turns, azimuth, elevation, distance}, fine) => {
      stage.look(azimuth, elevation, distance);
      stage.pose(Float32Array.from(weights), Float32Array.from(turns));
      stage.ratio = 1;
      stage.draw(fine);
      const address = canvas.toDataURL("image/png");
      change();
      return address;
    }};
  document.body.dataset.state = "ready";
}

main().catch(complain);
