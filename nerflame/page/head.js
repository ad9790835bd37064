// The numbers of a head, and how expressions and joints pose its vertices. Nothing here draws.
// The same steps as FLAME (Li et al. 2017, eq. 1) and nerflame's head model, which the tests compare them with.

const TYPES = {f4: Float32Array, u4: Uint32Array, u2: Uint16Array, i2: Int16Array, u1: Uint8Array, i1: Int8Array};

// Return views of a block of numbers by name; entries: {name: [type, first byte, length]}.
function unpack(entries, buffer) {
  const arrays = {};
  for (const [name, [type, at, length]] of Object.entries(entries)) arrays[name] = new TYPES[type](buffer, at, length);
  return arrays;
}

// Write the rotation (3, 3) of an axis-angle at turns[at..at+2] to out[to..to+8], row by row.
function rotation(turns, at, out, to) {
  const x = turns[at], y = turns[at + 1], z = turns[at + 2], angle = Math.hypot(x, y, z);
  // sin(a)/a and (1 - cos(a))/a^2 at 0
  const s = angle < 1e-8 ? 1 : Math.sin(angle)/angle, c = angle < 1e-8 ? 0.5 : (1 - Math.cos(angle))/(angle*angle);
  out[to] = 1 - c*(y*y + z*z); out[to + 1] = c*x*y - s*z; out[to + 2] = c*x*z + s*y;
  out[to + 3] = c*x*y + s*z; out[to + 4] = 1 - c*(x*x + z*z); out[to + 5] = c*y*z - s*x;
  out[to + 6] = c*x*z - s*y; out[to + 7] = c*y*z + s*x; out[to + 8] = 1 - c*(x*x + y*y);
}

class Head {
  // info and numbers are those of the page, see `pack_face` in nerflame.use.page
  constructor(info, numbers) {
    this.info = info;
    this.numbers = numbers;
    const n = numbers.rest.length/3;
    this.faces = numbers.triangles.map(corner => numbers.rows[corner]);
    for (const name of ["shaped", "verts", "normals"]) this[name] = new Float32Array(3*n);
    this.gain = new Float32Array(3*n).fill(1);   // of the odds of colours, by light
    this.joints = new Float32Array(15);
    this.turned = new Float32Array(45);      // rotations of the joints about themselves
    this.moves = new Float32Array(60);       // of each joint: rotation (3, 3) and shift (3) of a vertex at rest
  }

  // Pose the head: weights of its expressions, and axis-angles of its five joints, radians (15).
  pose(weights, turns) {
    this.shape(weights);
    for (let j = 0; j < 5; j++) rotation(turns, 3*j, this.turned, 9*j);
    this.correct();
    this.chain();
    this.skin();
    this.findNormals();
    if (this.info.light) this.shade();
  }

  // Add expressions to the head at rest.
  shape(weights) {
    const {rest, joints, targetStart, targetRows, targetMoves, targetScale, targetJoints} = this.numbers, out = this.shaped;
    out.set(rest);
    this.joints.set(joints);
    for (let k = 0; k < weights.length; k++) {
      const w = weights[k]*targetScale[k];
      if (!weights[k]) continue;
      for (let i = targetStart[k]; i < targetStart[k + 1]; i++) {
        const to = 3*targetRows[i];
        out[to] += w*targetMoves[3*i];
        out[to + 1] += w*targetMoves[3*i + 1];
        out[to + 2] += w*targetMoves[3*i + 2];
      }
      for (let i = 0; i < 15; i++) this.joints[i] += weights[k]*targetJoints[15*k + i];
    }
  }

  // Add what repairs the skin around turned joints.
  correct() {
    const {correctives, correctiveScale} = this.numbers, out = this.shaped;
    if (!correctives) return;
    for (let k = 0; k < 36; k++) {
      const w = (this.turned[9 + k] - (k % 9 % 4 === 0 ? 1 : 0))*correctiveScale[k], first = k*out.length;
      if (w) for (let i = 0; i < out.length; i++) out[i] += w*correctives[first + i];
    }
  }

  // Find how each joint moves vertices at rest.
  chain() {
    const r = this.turned, J = this.joints, m = this.moves;
    for (let j = 0; j < 5; j++) {
      const parent = this.info.parents[j], to = 12*j;
      if (parent < 0) for (let i = 0; i < 9; i++) m[to + i] = r[i];
      else for (let a = 0; a < 3; a++) for (let b = 0; b < 3; b++) {
        let sum = 0;
        for (let c = 0; c < 3; c++) sum += m[12*parent + 3*a + c]*r[9*j + 3*c + b];
        m[to + 3*a + b] = sum;
      }
      for (let a = 0; a < 3; a++) {
        // the parent moves the joint, and the joint turns vertices about itself
        let place = J[3*j + a];
        if (parent >= 0) {
          place = m[12*parent + 9 + a];
          for (let c = 0; c < 3; c++) place += m[12*parent + 3*a + c]*J[3*j + c];
        }
        m[to + 9 + a] = place - (m[to + 3*a]*J[3*j] + m[to + 3*a + 1]*J[3*j + 1] + m[to + 3*a + 2]*J[3*j + 2]);
      }
    }
  }

  // Move the vertices with their joints.
  skin() {
    const {weights} = this.numbers, m = this.moves, v = this.shaped, out = this.verts;
    for (let i = 0, n = v.length/3; i < n; i++) {
      const x = v[3*i], y = v[3*i + 1], z = v[3*i + 2];
      let a = 0, b = 0, c = 0;
      for (let j = 0; j < 5; j++) {
        const w = weights[5*i + j]/65535, k = 12*j;
        if (!w) continue;
        a += w*(m[k]*x + m[k + 1]*y + m[k + 2]*z + m[k + 9]);
        b += w*(m[k + 3]*x + m[k + 4]*y + m[k + 5]*z + m[k + 10]);
        c += w*(m[k + 6]*x + m[k + 7]*y + m[k + 8]*z + m[k + 11]);
      }
      out[3*i] = a; out[3*i + 1] = b; out[3*i + 2] = c;
    }
  }

  // Average the normals of the faces around each vertex, by their areas.
  findNormals() {
    const v = this.verts, f = this.faces, out = this.normals;
    out.fill(0);
    for (let i = 0; i < f.length; i += 3) {
      const a = 3*f[i], b = 3*f[i + 1], c = 3*f[i + 2];
      const px = v[b] - v[a], py = v[b + 1] - v[a + 1], pz = v[b + 2] - v[a + 2];
      const qx = v[c] - v[a], qy = v[c + 1] - v[a + 1], qz = v[c + 2] - v[a + 2];
      const x = py*qz - pz*qy, y = pz*qx - px*qz, z = px*qy - py*qx;
      for (const k of [a, b, c]) { out[k] += x; out[k + 1] += y; out[k + 2] += z; }
    }
    for (let i = 0; i < out.length; i += 3) {
      const length = Math.hypot(out[i], out[i + 1], out[i + 2]) || 1;
      out[i] /= length; out[i + 1] /= length; out[i + 2] /= length;
    }
  }

  // Find how much more light reaches each vertex than at rest: harmonics of degree 1 and 2 of its normal.
  shade() {
    const {restShading} = this.numbers, {light, toScene: r, mostLight} = this.info, n = this.normals, out = this.gain;
    for (let i = 0; i < n.length; i += 3) {
      const x = r[0]*n[i] + r[1]*n[i + 1] + r[2]*n[i + 2], y = r[3]*n[i] + r[4]*n[i + 1] + r[5]*n[i + 2];
      const z = r[6]*n[i] + r[7]*n[i + 1] + r[8]*n[i + 2];
      const h = [0.48860251*y, 0.48860251*z, 0.48860251*x, 1.09254843*x*y, 1.09254843*y*z, 0.31539157*(3*z*z - 1),
        1.09254843*x*z, 0.54627422*(x*x - y*y)];
      for (let c = 0; c < 3; c++) {
        let sum = -restShading[i + c];
        for (let k = 0; k < 8; k++) sum += h[k]*light[3*k + c];
        out[i + c] = Math.exp(Math.min(Math.max(sum, -mostLight), mostLight));
      }
    }
  }
}
