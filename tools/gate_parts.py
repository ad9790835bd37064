"""The parts of the gate. Each is a function that stores hashes and tells messages; `PARTS` names them."""
import json
from dataclasses import asdict, fields, replace
import numpy as np, torch
import torch.nn.functional as F
import gate_names as nf
import gate_toys as toys
from gate_toys import draws, head, quiet, random, store_folder, trained, work_folder
import gate_refusals

def training(gate):
    "Every stage and preset at toy size: weights, parameters and the numbers of each step."
    for name in toys.trainings():
        run, rows = trained(name)
        model = nf.trained_model(run)
        gate.store(f"{name}/weights", sorted(toys.digest(t) for t in nf.weights_of(model)))
        gate.store(f"{name}/buffers", sorted(toys.digest(t) for t in nf.buffers_of(model)))
        gate.store(f"{name}/steps", rows)
        gate.store(f"{name}/metrics", toys.numbers_of(nf.run_metrics(run)))
        gate.store(f"{name}/counts", nf.trained_steps(run))
        if (params := nf.trained_params(run)) is not None: gate.store(f"{name}/params", params)

def resumed(gate):
    "Trainings that are interrupted in every stage and resumed: the checkpoint, and the end."
    for name, stops in {"still/found": (10, 33, 50, 70), "moving/found": (33, 37, 55), "published/neutral": (2, 9),
            "plain": (5,)}.items():
        for stop in stops:
            with work_folder() as folder:
                toys.train_toy(name, folder/"run", stop)
                store_folder(gate, f"{name}/{stop}/stopped", folder/"run")
                resume = any((folder/"run").glob("*unfinished*"))
                run, rows = toys.train_toy(name, folder/"run", resume=resume)
                gate.store(f"{name}/{stop}/resumed", resume)
                gate.store(f"{name}/{stop}/steps", rows)
                gate.store(f"{name}/{stop}/weights",
                    sorted(toys.digest(t) for t in nf.weights_of(nf.trained_model(run))))

def rendering(gate):
    "Pictures of every trained face: full, draft, posed."
    camera, side = nf.orbit_camera(0.3, 0.1, width=40), nf.orbit_camera(-1.1, 0.3, width=32)
    for name in toys.trainings():
        model = nf.trained_model(trained(name)[0])
        states = {"captured": None}
        if (rest := nf.captured(model)) is not None:
            states |= {k: rest.replace(**pose) for k, pose in toys.POSES.items()} | {"all": toys.expressive(head(),
                rest)}
        if name.startswith(("published", "plain")):
            states = {k: states[k] for k in ("captured", "jaw", "all") if k in states}
        for state, params in states.items():
            for kind in ("full", "draft") if nf.can_draft(model) else ("full",):
                gate.store(f"{name}/{state}/{kind}", nf.render(model, camera if state != "neck" else side, params,
                    kind == "draft"))
        gate.store(f"{name}/black", nf.render(model, side, None, background=(0., 0., 0.)))
    torch.manual_seed(0)
    for stage in 1, 2:
        model = nf.NeRFlame(head(), head().neutral(), toys.SMALL, generator=draws())
        nf.density_stage(model, stage)
        nf.update_density(model, draws())
        gate.store(f"untrained/{stage}", nf.render(model, camera, head().neutral().replace(jaw_pose=[0.2, 0., 0.])))
        rays = nf.image_rays(side, near=3., far=5.5)
        gate.store(f"untrained/{stage}/forward", nf.model_forward(model, rays, nf.pose(model, head().neutral()),
            draws(2)))

def published(gate):
    "The record of the published code in nbs/published, and its settings."
    record, epsilon = nf.repository()/"nbs"/"published", dict(mesh=0.06, field=0.1)
    numbers = {k: torch.as_tensor(v) for k, v in np.load(record/"renders.npz", allow_pickle=False).items()}
    height, width, focal = numbers["hwf"].tolist()
    n = len(numbers["test_poses"])
    cameras = nf.Cameras(numbers["test_poses"], torch.full((n, 2), focal), torch.tensor([[width/2, height/2]]).expand(n,
        2), int(width), int(height))
    tiny = nf.load_head(record/"FLAME"/"model"/"generic_model.pkl")
    checkpoint = nf.read_checkpoint(next(record.glob("*.tar")))
    gate.store("checkpoint", replace(checkpoint, source=""))
    small = nf.RayConfig(coarse=40, fine=60, farthest=20, central=5, additional=3)
    for kind, step in dict(mesh=0, field=20_000).items():
        model = nf.import_checkpoint(checkpoint, tiny, small, step, epsilon[kind])
        gate.store(f"{kind}/weights", sorted(toys.digest(t) for t in nf.weights_of(model)))
        for state, params in nf.published_states(nf.captured(model)).items():
            gate.store(f"{kind}/{state}/verts", tiny(params))
            for i in range(n): gate.store(f"{kind}/{state}/{i}", nf.render(model, cameras[i], params))
    for quirk in fields(nf.Quirks):
        model = nf.import_checkpoint(checkpoint, tiny, small)
        model.config = replace(model.config, quirks=replace(model.config.quirks, **{quirk.name: False}))
        gate.store(f"without quirk/{quirk.name}", nf.render(model, cameras[1],
            list(nf.published_states(nf.captured(model)).values())[-1]))
    for path in nf.published_files():
        name = [k for k in nf.read_yaml(path) if k.startswith("face_")][0]
        settings = nf.read_hparams(path, name)
        gate.tell(f"settings/{path.stem}", json.dumps(asdict(settings), sort_keys=True, default=str))
    gate.tell("settings/train", json.dumps(asdict(nf.published_config(settings)), sort_keys=True, default=str))

def settings(gate):
    "Defaults of presets and settings, and schedules."
    for name in "fast", "paper", "nerf": gate.tell(f"preset/{name}", flat(asdict(nf.preset(name))))
    for name, config in nf.CONFIGS.items(): gate.tell(f"default/{name}", flat(asdict(config())))
    gate.store("rates", [nf.rate_factor(s, 500, 100, 0.03) for s in range(0, 500, 7)])
    steps = range(0, 300_000, 10_007)
    gate.store("published rates", [nf.published_rate(float(s), nf.PublishedSchedule()) for s in steps])
    gate.store("positions", [nf.schedule_position(s, 400, 40_000) for s in range(0, 401, 13)])
    gate.store("stages", [list(nf.published_stages(replace(nf.preset("paper"), steps=s)).values())
        for s in (1, 2, 10, 40_000, 90_000)])
    gate.store("thickness", [nf.EpsilonSchedule(0.02, 0.05, 10, 90)(s) for s in range(0, 100, 3)])
    with work_folder() as folder:
        for name, config in nf.CONFIGS.items():
            nf.save_config(config(), folder/"c.yaml")
            gate.store(f"file/{name}", (folder/"c.yaml").read_bytes())
            gate.store(f"read back/{name}", nf.load_config(type(config()), folder/"c.yaml") == config())

def flat(values, path=""):
    "Return nested settings as lines."
    if not isinstance(values, dict): return f"{path}={values}"
    return "\n".join(flat(v, f"{path}.{k}" if path else k) for k, v in values.items())

def mesh(gate):
    "Closest points, rays, normals."
    for name, m in dict(ball=nf.icosphere(3), head=nf.icosphere(1), toy=None).items():
        verts, faces = (nf.transform_points(nf.flame_to_scene(), head()(toys.truth()))[0].detach(),
            head().faces) if m is None else (m.verts, m.faces)
        points = random(400, 3, size=0.7)
        tree, store = nf.MeshBVH(verts, faces), gate.below(name)
        found = tree.closest(points)
        store("closest", found)
        store("closest/near", tree.closest(points, 0.3))
        store("closest/reference", nf.closest_reference(points[:50], verts, faces))
        store("closest/two threads", nf.MeshBVH(verts, faces, threads=2).closest(points))
        store("closest/published", nf.mesh_search(verts, faces, min_triangle_area=1e-3).closest(points))
        store("closest/edges", nf.EdgeBVH(verts, faces, 1e-3).closest(points))
        store("closest/walk", nf.FaceNeighbours(faces, len(verts)).closest(points, verts, found.face_idx.roll(1)))
        store("signed", nf.signed_distance(points, found, verts, faces))
        towards = F.normalize(random(400, 3, seed=1), dim=1)
        store("rays", tree.raycast(points, towards))
        store("rays/short", tree.raycast(points, towards, 0.5))
        store("hidden", tree.occluded(points, towards))
        moved = verts + random(*verts.shape, seed=2, size=0.01)
        tree.refit(moved)
        store("closest/moved", tree.closest(points))
        for key, f in dict(normals=nf.face_normals, areas=nf.face_areas, vertex_normals=nf.vertex_normals,
                frames=nf.face_frames).items():
            store(key, f(moved, faces))
        store("small", nf.small_faces(moved, faces, 1e-3))
        store("mixed", nf.interpolate(moved, faces, found.face_idx, found.bary))
    store("triangle", nf.closest_on_triangle(points[:100], random(100, 3, 3, seed=5)))
    with work_folder() as folder:
        nf.save_obj(folder/"m.obj", nf.icosphere(1))
        gate.store("obj", (folder/"m.obj").read_bytes())
        gate.store("obj/read", nf.load_obj(folder/"m.obj"))

LENSES = dict(pinhole=(None, None), radial=([-0.2, 0.05, 0, 0, 0, 0, 0, 0], None),
    opencv=([0.12, -0.35, 6e-4, -4e-4, 0.28, 0, 0, 0], None),
    fisheye=([0.0556, 0.0133, 0, 0, -0.0152, 0.0029, 0, 0], True),
    prism=([-0.05, 0.03, 8e-4, -6e-4, -0.011, 1e-3, 2e-3, -1e-3], True),
    even=(None, True))

def cameras(gate):
    "Every lens, projected and inverted, and rays."
    base, points = nf.orbit_camera(torch.tensor([0., 1., -1.]), torch.tensor([0., 0.3, -0.2]), radius=2.5, width=30,
        height=24, fov=1.1), random(60, 3, size=0.5)
    gate.store("orbit", base)
    for name, (bent, fisheye) in LENSES.items():
        some = replace(base, distortion=None if bent is None else torch.tensor([bent]).expand(3, 8),
            fisheye=None if fisheye is None else torch.tensor([True]*3))
        gate.store(f"{name}/project", list(nf.project(some, points)))
        gate.store(f"{name}/rays", nf.image_rays(some[1], 1., 4.))
        gate.store(f"{name}/some rays", nf.pixel_rays(some, torch.tensor([0, 2, 1]),
            torch.tensor([[1., 2.], [20.5, 3.5], [29., 23.]])))
        gate.store(f"{name}/resized", some.resized(15))
        if bent is not None: gate.store(f"{name}/limits", [some.limit, some.steep])
        if bent is not None and not fisheye:
            xy, row = random(50, 2, size=0.3), torch.tensor(bent).expand(50, 8)
            there = nf.distort(xy, row)
            gate.store(f"{name}/bent", there)
            gate.store(f"{name}/straight", nf.undistort(there, row))
            gate.store(f"{name}/limit", nf.distortion_limit(row[:1]))
        if bent is not None:
            view = torch.arange(60) % 3
            gate.store(f"{name}/derivatives", list(nf.project_each(some, view, points)))
    sizes = base.with_sizes([(30, 24), (20, 24), (30, 10)])
    gate.store("sizes", [sizes[1], sizes.resized(15), sizes.inside(nf.project(base, points)[0], 1.)])
    gate.store("look", nf.look_at(random(4, 3), torch.zeros(3)))
    gate.store("fov", nf.focal_from_fov(0.6, 200))
    for i, entries in enumerate((dict(camera_angle_x=1.2), dict(fl_x=50, cx=41.5), dict(x_fov=90),
            dict(fl_x=50, is_fisheye=True, k1=0.05, k2=0.01),
            dict(camera_model="OPENCV_FISHEYE", fl_x=50, k1=.1, k4=.2),
            dict(camera_model="OPENCV", fl_x=50, fl_y=52, k1=.1, p1=.3, k3=.5),
            dict(camera_model="SIMPLE_RADIAL", fl_x=50, k1=.1),
            dict(intrinsics=[-150.88, 150.88, 0.38, 0.5]))):
        gate.store(f"lens/{i}", nf.frame_intrinsics({}, entries, 80, 60, "t.json", "frames[0]."))

def heads(gate):
    "Posing, landmarks, files of heads, the built-in head."
    record = nf.repository()/"nbs"/"published"/"FLAME"/"model"/"generic_model.pkl"
    for name, some in dict(toy=head(), marked=toys.marked_head(), published=nf.load_head(record),
            built_in=nf.load_head("anny")).items():
        rest, store = some.neutral(), gate.below(name)
        params = some.neutral(2).replace(betas=random(2, some.n_shape, size=0.5),
            expression=0.3*random(2, some.n_expr, seed=1), scale=torch.tensor([[1.], [1.1]]),
            **{k: random(2, w, seed=w, size=0.2) for k,
            w in dict(global_orient=3, neck_pose=3, jaw_pose=3, eye_pose=6, transl=3).items()})
        store("arrays", replace(some.arrays, landmarks=None))
        store("fingerprint", some.fingerprint)
        store("rest", some(rest))
        store("verts", some(params))
        store("double", some.double()(params.to(torch.float64)))
        some.float()
        marks = some.arrays.landmarks
        if marks is not None:
            store("marks", marks)
            store("landmarks/static", nf.static_landmarks(some, params))
        if marks is not None and marks.contour_face_idx is not None: store("landmarks", some.landmarks(params))
        chosen = torch.arange(0, some.arrays.v_template.shape[0], 97)
        store("some", nf.posed_vertices(some, params, chosen))
        store("derivatives", list(nf.posed_derivatives(some, params[0], chosen)))
        leaf = params.map(lambda t: t.clone().requires_grad_())
        (some(leaf)*random(*some(params).shape, seed=9)).sum().backward()
        store("gradient", [leaf.betas.grad, leaf.expression.grad, leaf.jaw_pose.grad, leaf.neck_pose.grad,
            leaf.scale.grad, leaf.transl.grad])
        store("bounds", nf.expression_bounds(some))
        store("used", nf.head_vertices(some))
        with work_folder() as folder:
            nf.save_params(params[0], folder/"p.npz")
            store("file", toys.file_content(folder/"p.npz"))
            store("file/read", some.load_params(folder/"p.npz"))
            nf.save_head_arrays(some.arrays, folder/"h.npz")
            store("head file", toys.file_content(folder/"h.npz"))
            store("head file/read", nf.load_flame(folder/"h.npz").fingerprint)
        store("offset", some(params.replace(static_offset=random(*some.arrays.v_template.shape, size=1e-3))))
    gate.store("rotations", nf.rodrigues(random(20, 3)))
    gate.store("yaw", nf.head_yaw(random(5, 3, size=0.3), random(5, 3, seed=1, size=0.3)))
    gate.store("mapping", nf.arkit_mapping(nf.load_head("anny")))
    gate.store("groups", nf.expression_groups(nf.load_head("anny").expression_names))
    gate.tell("names", "\n".join(nf.load_head("anny").expression_names))

def density(gate):
    "Densities, packed samples, volume weights, with gradients."
    distance, raw = random(200, size=0.05).abs().requires_grad_(), random(200, seed=1).requires_grad_()
    for name, f in dict(mesh=lambda: nf.mesh_alpha(distance, 0.05), field=lambda: nf.density_alpha(raw.exp(), 0.03),
            shell=lambda: nf.shell_alpha(raw.exp(), 0.03, distance, 0.04),
            prior=lambda: nf.prior_sigma(raw, distance - 0.03, 0.05)).items():
        value = f()
        gate.store(name, value)
        gate.store(f"{name}/gradient", [g for g in torch.autograd.grad((value*random(200, seed=2)).sum(),
            (distance, raw), allow_unused=True)])
    near, far = torch.full((30,), 3.), torch.full((30,), 5.5)
    for inverse in False, True:
        gate.store(f"depths/{inverse}", nf.even_depths(near, far, 20, inverse))
        gate.store(f"depths/drawn/{inverse}", nf.even_depths(near, far, 20, inverse, draws()))
    t, d = nf.even_depths(near, far, 20, True, draws()), random(30, 20).abs()
    gate.store("nearest", nf.keep_nearest(t, d, 9))
    gate.store("around", nf.around_nearest(t, d, 5, 3, far - near))
    gate.store("importance", nf.importance_depths(t, d, 25))
    gate.store("importance/drawn", nf.importance_depths(t, d, 25, draws(3)))
    packed = nf.pack(t)
    some = packed.select(random(600, seed=4) > 0)
    gate.store("pack", packed)
    gate.store("pack/some", some)
    gate.store("pack/both", nf.cat_samples([packed, some]))
    alpha = random(600, seed=5).sigmoid().requires_grad_()
    weights = nf.volume_weights(alpha, packed.offsets)
    gate.store("weights", weights)
    gate.store("weights/gradient", torch.autograd.grad((weights*random(600, seed=6)).sum(), alpha)[0])
    gate.store("weights/reference", nf.weights_reference(alpha, packed.offsets))
    light = torch.rand(30, generator=draws())
    gate.store("weights/light", nf.volume_weights(alpha.detach(), packed.offsets, light))
    rgb = torch.rand(600, 3, generator=draws(1))
    gate.store("pixels", nf.composite(weights, rgb, packed.t, packed.ray_idx, 30, torch.ones(3)))
    gate.store("crossing", nf.crossing(random(10, 8), 0.1))
    gate.store("end", nf.finish_rays(rgb[:30], light, t[:, 0], 0.3))

def shell_toys():
    "Return a toy head at rest and posed, a shell around it, and rays."
    rest = nf.transform_points(nf.flame_to_scene(), head()(head().neutral()))[0].detach()
    posed = nf.transform_points(nf.flame_to_scene(),
        head()(toys.truth(jaw_pose=[0.3, 0., 0.], neck_pose=[0., 0.3, 0.])))[0].detach()
    shell = nf.build_shell(nf.MeshBVH(rest, head().faces), 0.08, 0.04)
    return rest, posed, shell, nf.image_rays(nf.orbit_camera(0.4, 0.2, width=24), 3., 5.5)

def marching(gate):
    "Shell, marching, the canonical map and their combinations."
    rest, posed, shell, rays = shell_toys()
    gate.store("shell", shell)
    gate.store("voxels", [shell.voxels, shell.slots, shell.middles(shell.voxels)])
    gate.store("counts", nf.count_samples(rays, shell, 0.03))
    gate.store("march", nf.march(rays, shell, 0.03))
    phase = torch.rand(len(rays), generator=draws())
    sigma = torch.rand(shell.face.shape, generator=draws(1))*20
    gate.store("march/phase", nf.march(rays, shell, 0.03, phase))
    gate.store("march/sigma", nf.march(rays, shell, 0.03, phase, sigma, 1e-2, 3.))
    gate.store("march/limit", nf.march(rays, shell, 0.03, limit=5))
    gate.store("blocks", nf.open_blocks(shell))
    gate.store("spans", nf.row_spans(toys.views(4), shell))
    bent = replace(toys.views(4), distortion=torch.tensor([LENSES["opencv"][0]]).expand(4, 8))
    gate.store("spans/lens", nf.row_spans(bent, shell))
    around = rest[::3] + random(len(rest[::3]), 3, size=0.03)
    gate.store("lookup", shell.lookup(sigma, around))
    gate.store("near face", shell.near_face(around))
    grid = nf.OccupancyGrid(shell)
    for fraction in 1., 0.3:
        nf.update_grid(grid, lambda p, face, other: (p*9).sin().sum(1).abs(), fraction, generator=draws())
        gate.store(f"grid/{fraction}", nf.grid_values(grid))
    faces, neighbours = head().faces, nf.FaceNeighbours(head().faces, len(rest))
    turned = nf.vertex_rotations(posed, rest, faces)
    gate.store("rotations", turned)
    points, towards = posed[::2] + random(len(posed[::2]), 3, size=0.03), F.normalize(random(len(posed[::2]), 3,
        seed=1), dim=1)
    near = nf.MeshBVH(posed, faces).closest(points)
    gate.store("map/reference", nf.map_points(points, towards, near, posed, rest, faces, turned))
    for unit in True, False:
        gate.store(f"map/faces/{unit}", nf.map_points_by_face(points, near.face_idx, posed, rest, faces, unit))
    to_rest = nf.CanonicalMap(posed, rest, neighbours)
    gate.store("map", to_rest(points, towards, near.face_idx))
    gate.store("map/other", to_rest(points, towards, near.face_idx, near.face_idx.roll(5)))
    for group in 1, 2:
        cells = nf.bind_cells(shell, rest, neighbours, group)
        gate.store(f"cells/{group}", cells)
        moved = nf.move_cells(to_rest, cells, 0.08)
        gate.store(f"carried/{group}", moved)
        upper = nf.cells_with(cells, shell.middles(shell.voxels)[:, 2] > 0)
        gate.store(f"carried/half/{group}", nf.move_cells(to_rest, upper, 0.08))
        samples = nf.march(rays, moved, 0.03)
        gate.store(f"along/{group}", nf.map_samples(to_rest, rays, samples))
        for limit in 3, 60:
            gate.store(f"found/{group}/{limit}", nf.find_samples(to_rest, rays, moved, shell, sigma, 0.03, 0.01, limit))

def networks(gate):
    "Fields, forward and back; baked drafts."
    torch.manual_seed(0)
    rest, *_ = shell_toys()
    tree, points, towards = nf.MeshBVH(rest, head().faces), rest[::2] + random(len(rest[::2]), 3,
        size=0.03), F.normalize(random(len(rest[::2]), 3, seed=1), dim=1)
    grid = nf.ShellGrid.around(tree, (0.4, 0.2, 0.1), 0.1, draws())
    for table in grid.tables: table.data.normal_(std=0.5, generator=draws(4))
    gate.store("grid", grid)
    encoded = grid(points)
    gate.store("encoded", encoded)
    gate.store("encoded/gradient", list(torch.autograd.grad((encoded*random(*encoded.shape)).sum(), list(grid.tables))))
    first = nf.encode_reference(points, grid.low, grid.spacings[0], grid.index(0), grid.tables[0])
    gate.store("encoded/reference", first)
    gate.store("harmonics", nf.direction_harmonics(towards))
    gate.store("frequencies", nf.frequency_encoding(points, 4))
    for name, config, inputs in (("direct", nf.FieldConfig(width=32), 0), ("indirect",
            nf.FieldConfig(width=32, direct=False), 0), ("residual", nf.FieldConfig(width=32, residual=4), 3)):
        field = nf.Field(grid, config, 0.1, inputs)
        code = None
        if inputs:
            field.residual.see(random(5, 3))
            field.residual.out.weight.data.normal_(generator=draws(6))
            code = field.residual.code(random(3, seed=7)).detach().expand(len(points), -1)
        sigma, features = field.density(points, tree.closest(points).distance, code)
        rgb = field.colour(features, towards)
        gate.store(f"{name}/values", [sigma, features, rgb])
        (sigma.sum() + (rgb*random(*rgb.shape)).sum()).backward()
        gate.store(f"{name}/gradients", [p.grad for p in field.parameters() if p.grad is not None])
        field.zero_grad()
        if not inputs:
            for level in None, 0: gate.store(f"{name}/baked/{level}", nf.bake(field, torch.zeros(3), level).grid)
    for views in 0, 2:
        field = nf.FrequencyField(nf.NetworkConfig(4, 32, 1, 5, views))
        sigma, features = field.density(points, points[:, 0])
        rgb = field.colour(features, towards)
        gate.store(f"frequency/{views}", [sigma, rgb])
        (sigma.sum() + rgb.square().sum()).backward()
        gate.store(f"frequency/{views}/gradients", [p.grad for p in field.parameters()])

def pictures(gate):
    "Scores of pictures, masks, sizes."
    a, b, mask = torch.rand(2, 24, 20, 3, generator=draws()), torch.rand(2, 24, 20, 3,
        generator=draws(1)), (torch.rand(2, 24, 20, generator=draws(2)) > 0.5).float()
    for name, value in dict(psnr=nf.psnr(a, b), head=nf.head_psnr(a, b, mask), ssim=nf.ssim(a, b),
            scores=nf.image_scores(a, b, mask)).items(): gate.store(name, value)
    weights = {f"features.{i}.{k}": random(*shape, seed=i, size=0.03) for i, (p, q) in nf.VGG_LAYERS.items() for k,
        shape in (("weight", (q, p, 3, 3)), ("bias", (q,)))}
    with work_folder() as folder:
        torch.save(weights, folder/"vgg.pth")
        big = torch.rand(1, 32, 32, 3, generator=draws(3))
        gate.store("lpips", nf.Lpips(folder/"vgg.pth")(big, big.flip(1)))
    picture = np.random.default_rng(0).random((30, 21, 4), dtype=np.float32)
    gate.store("resized", nf.area_resize(picture, 8, 11))
    gate.store("behind", nf.composite_picture(picture, np.ones(3, np.float32)))
    gate.store("weights", nf.area_weights(30, 8))
    gate.store("without background", nf.with_coverage(picture[..., :3], picture[..., 3]))
    gate.store("sizes", nf.working_sizes([(400, 300), (301, 401)], 200))
    gate.store("bytes", nf.as_bytes(a))
    gate.store("grown", nf.moving_region(a, b, 0.3))

def fitting(gate):
    "Outlines, tracking, relief and alignment, one by one."
    scene, config = toys.still_scene(), toys.TOY.outline
    masks = nf.scene_masks(scene)
    maps, floor = nf.outline_distance(masks), nf.mask_floor(masks)
    gate.store("outline/distance", maps)
    gate.store("outline/points", nf.outline_points(masks[0]))
    gate.store("outline/floor", floor)
    gate.store("outline/up", nf.scene_up(scene))
    outlines = nf.outlines_above(masks, floor)
    gate.store("outline/above", outlines)
    gate.store("outline/read", nf.read_map(maps, 32*torch.rand(12, 20, 2, generator=draws())))
    params = head().neutral().replace(transl=[0.02, 0.01, 0.])
    verts = nf.transform_points(scene.flame_to_scene, head()(params))[0].detach().requires_grad_()
    pulls = nf.find_matches(verts.detach(), nf.vertex_normals(verts.detach(), head().faces), nf.head_vertices(head()),
        scene.cameras, maps, floor, outlines, config)
    gate.store("outline/pulls", pulls)
    loss = nf.outline_loss(verts[pulls.vertices], pulls, scene.cameras, maps, config)
    gate.store("outline/loss", loss)
    gate.store("outline/gradient", torch.autograd.grad(loss, verts)[0])
    gate.store("outline/wishes", nf.outline_model(verts.detach()[pulls.vertices], pulls, scene.cameras, maps, 3.))
    gate.store("crown", nf.crown_point(scene))
    gate.store("guess", nf.first_guess(scene, head()))
    gate.store("frames", nf.even_frames(scene, 5))
    step = nf.search_outlines(scene, head(), params, replace(config, steps=5), draws())
    gate.store("search", step)
    gate.store("search/iou", nf.outline_iou(scene, head(), step.params))
    gate.store("find", nf.find_head(scene, head(), config, draws()))
    gate.store("pixels", nf.take_pixels(scene, torch.arange(0, 12*32*32, 37)))
    bank = nf.pixels_in_shell(scene, shell_toys()[2])
    gate.store("pixels/bank", [len(bank), bank.index(torch.arange(0, len(bank), 11))])
    gate.store("pixels/batch", bank.batch(50, draws()))
    gate.store("pixels/published", nf.published_batch(scene, nf.PublishedSchedule(rays=40), 0., draws()))
    gate.tell("likely cause", str(nf.likely_cause(scene, head(), 0.4, config)))
    moving, model = toys.moving_scene(given=True), nf.trained_model(trained("moving/given")[0])
    timesteps = replace(nf.group_timesteps(moving), params=moving.params[[0, 6, 12]])
    pool = nf.TimestepPool(model, moving, timesteps, 2, 2, draws())
    for i in range(4): gate.store(f"pool/{i}", nf.pool_batch(pool, 40))
    gate.store("moments", timesteps)
    tracking(gate)
    ball = nf.icosphere(3)
    gate.store("relief/smooth", nf.smooth_heights(random(len(ball.verts), size=0.01), (ball.verts[:, 0] > 0).float(),
        ball.faces))
    moving = toys.moving_scene(given=True)
    gate.store("relief", nf.picture_relief(moving, head(), nf.group_timesteps(moving), generator=draws()))
    gate.store("relief/normals", nf.rest_normals(head(), toys.truth()))
    aligning(gate, scene)

def tracking(gate):
    "The tracker, one by one."
    scene = toys.moving_scene()
    soft = nf.blur_pictures(scene, 1.5)
    gate.store("track/blurred", soft)
    view, xy = torch.arange(60) % len(scene), 32*torch.rand(60, 2, generator=draws())
    gate.store("track/sampled", list(nf.sample_pictures(soft, view, xy)))
    verts = nf.transform_points(scene.flame_to_scene, head()(toys.truth()))[0].detach()
    sight = nf.visible_vertices(verts, head().faces, torch.arange(0, len(verts), 5), scene.cameras, list(range(6)))
    gate.store("track/sight", sight)
    place, by, residual, weight = torch.arange(40) % 7, random(40, 3, 3), random(40, 3, seed=1), random(40,
        seed=2).abs()
    wishes = nf.gauss_newton_model(7, place, by, residual, weight)
    gate.store("track/wishes", wishes)
    gate.store("track/equations", list(nf.normal_equations(wishes, random(7, 3, 5))))
    gate.store("track/outliers", nf.geman_mcclure_weight(residual, 1.))
    gate.store("track/colours", list(nf.agreed_colours(place, residual, weight, 7, 0.5)))
    shape = nf.harmonics(F.normalize(random(40, 3), dim=1))
    gate.store("track/light", nf.fit_light(residual.abs(), residual.abs().flip(0) + 0.1, shape, weight))
    square = random(5, 5)
    square = square @ square.T + torch.eye(5)
    gate.store("track/bounded", nf.bounded_step(square, random(5, seed=3), torch.full((5,), -0.1),
        torch.full((5,), 0.1)))
    for name, start, config, marks in (("follow", toys.truth(), toys.TOY.track, False),
            ("smooth", toys.truth(), replace(toys.TOY.track, smooth=5.), False),
            ("marks", toys.truth(), toys.TOY.track, True)):
        whose = toys.marked_head() if marks else head()
        costs = []
        note = lambda step, steps, cost, costs=costs: costs.append(float(cost))
        found = nf.track(scene, whose, start.replace(head=whose.fingerprint), config,
            toys.marks_of(scene) if marks else None, draws(), note)
        gate.store(f"track/{name}", found)
        gate.store(f"track/{name}/prices", costs)

def aligning(gate, scene):
    "A reconstruction that is moved to the head."
    turn = torch.eye(4)
    turn[:3, :3] = 3*torch.linalg.matrix_exp(torch.tensor([[0., -0.4, 0.], [0.4, 0., -0.2], [0., 0.2, 0.]]))
    turn[:3, 3] = torch.tensor([5., 1., -2.])
    c2w = turn @ scene.cameras.c2w
    c2w[:, :3, :3] /= 3
    lost = replace(scene, cameras=replace(scene.cameras, c2w=c2w), near=9., far=16.5)
    gate.store("align/points", nf.similarity_between(random(9, 3), random(9, 3, seed=1)))
    gate.store("align/up", nf.upward(lost.cameras))
    gate.store("align/choices", nf.upward_choices(lost.cameras))
    gate.store("align/guess", nf.guess_similarity(lost, head()))
    found = nf.find_alignment(lost, head(), config=toys.TOY.outline, generator=draws(), min_iou=0.3)
    gate.store("align/found", [found.similarity, found.iou])
    content = dict(near=1., far=2., frames=[dict(file_path="a", transform_matrix=c2w[0].tolist())])
    gate.store("align/file", nf.move_content(content, turn, "t.json"))

def capturing(gate):
    "The built-in person: colours, light, one photograph."
    config = nf.CaptureConfig(resolution=32, n_train=3, n_val=1, n_test=1, samples=1, sky_rays=8, texture_height=256,
        moments=("jaw open",), driven_views=1)
    person = nf.make_person(nf.load_head("anny"), 12, 256)
    gate.store("person/identity", person.betas)
    gate.store("person/texture", person.texture)
    gate.store("person/surface", person.surface)
    states = nf.driven_params(person)
    gate.store("states", states)
    camera = nf.orbit_camera(torch.tensor([0.2]), torch.tensor([0.1]), width=32)
    gate.store("photograph", nf.render_truth(person, states[0], camera, 2))
    gate.store("photograph/vertices", nf.vertex_colour_render(person, person.params(), camera, 1))
    gate.store("photograph/other", nf.make_person(nf.load_head("anny"), 5, 256).texture)
    gate.tell("plan", ", ".join(nf.plan_views(config)))
    with work_folder() as folder, quiet():
        nf.write_capture(folder/"capture", config, nf.load_head("anny"))
        store_folder(gate, "capture", folder/"capture")
        for split in nf.scene_splits(folder/"capture"):
            gate.store(f"capture/{split}", nf.scene_values(nf.load_scene(folder/"capture", split,
                head=nf.load_head("anny"))))

def exporting(gate):
    "Meshes with textures, in all options."
    for name, training_name in {"still": "still/given", "moving": "moving/given",
            "published": "published/neutral"}.items():
        model = nf.trained_model(trained(training_name)[0])
        for kind, options in dict(plain={}, whole=dict(whole=True), new=dict(own=False)).items():
            if kind == "new" and name != "still": continue
            with quiet(): avatar = nf.gltf.make_avatar(model, 32, **options)
            gate.store(f"{name}/{kind}/avatar", avatar)
            gate.store(f"{name}/{kind}/error", nf.gltf.posing_error(avatar, model))
            gate.store(f"{name}/{kind}/drawn", nf.gltf.draw_avatar(avatar, nf.orbit_camera(0.2, 0.1, width=24),
                nf.flame_to_scene()))
            with work_folder() as folder:
                for dense in False, True: nf.gltf.save_glb(folder/f"{dense}.glb", avatar, dense)
                nf.gltf.save_textured_obj(folder/"a face.obj", avatar)
                nf.gltf.save_ply(folder/"f.ply", avatar)
                store_folder(gate, f"{name}/{kind}", folder)
        weights = dict.fromkeys(list(avatar.targets)[:2], 0.5)
        gate.store(f"{name}/posed", nf.gltf.posed_avatar(avatar, weights,
            np.array([[0, 0, 0], [0, 0.1, 0], [0.2, 0, 0], [0, 0, 0], [0, 0, 0]], np.float32)))
    built_in = nf.load_head("anny")
    rest = built_in(built_in.neutral())[0].numpy()
    for size in 64, 256: gate.store(f"layout/{size}", nf.texture.box_layout(rest, built_in.faces.numpy(), size))
    layout = nf.texture.choose_layout(built_in, rest, 256)
    gate.store("layout/own", layout)
    gate.store("layout/texels", nf.texture.texels_of(layout, 64))
    gate.store("layout/charts", nf.texture.box_sides(rest, built_in.faces.numpy()))
    gate.store("targets", {k: v for k, v in list(nf.gltf.expression_targets(built_in).items())[::5]})

def driving(gate):
    "Recordings, parameters over time, paths of cameras, control."
    take, built_in = nf.read_live_link("sample"), nf.load_head("anny")
    gate.store("take", take)
    gate.store("take/slow", nf.read_live_link("sample", source_fps=10.))
    gate.store("take/flip", nf.read_live_link("sample", flip=("yaw", "roll")))
    for joint in "neck", "root", "none":
        gate.store(f"params/{joint}", nf.take_params(built_in, take, joint)[slice(0, None, 7)])
        gate.store(f"params/toy/{joint}", nf.take_params(head(), take, joint)[slice(0, None, 7)])
    gate.tell("unused", "\n".join(f"{k}: {v:.6f}" for k, v in nf.unused_weights(head(), take).items()))
    model = nf.trained_model(trained("still/given")[0])
    someone = head().neutral(5).replace(betas=[0.3, 0.1, 0., 0.2], jaw_pose=torch.linspace(0.1, 0.4, 5)[:,
        None]*torch.tensor([1., 0., 0.]))
    gate.store("driven", nf.drive_params(model, someone))
    gate.store("driven/relative", nf.drive_params(model, someone, someone[0]))
    gate.store("driven/take", nf.drive_take(model, take)[slice(0, None, 9)])
    with work_folder() as folder:
        nf.save_params(someone, folder/"all.npz")
        for i in range(5): nf.save_params(someone[i], folder/"each"/f"{i:05d}.npz")
        for name in "all.npz", "each":
            motion = nf.load_motion(folder/name, head(), 10.)
            gate.store(f"motion/{name}", motion)
            for smooth in 0., 0.1:
                gate.store(f"motion/{name}/{smooth}", nf.resample(motion, nf.film_times(0.4, 25.), smooth))
        (folder/"path.json").write_text(json.dumps(dict(keyframes=[dict(time=0, azimuth=-0.3),
            dict(time=0.16, azimuth=0.3, radius=4.5)])))
        gate.store("path", nf.camera_path(folder/"path.json", nf.film_times(0.2, 25.), 64))
        gate.store("swing", nf.swing_cameras(7, 0.5))
        gate.store("turntable", nf.turntable_cameras(5, 40, 0.6))
        with quiet():
            nf.render_film(model, nf.swing_cameras(3, 0.3, width=24), nf.drive_params(model, someone)[[0, 2, 4]],
                folder/"film", 5., pictures=True, progress=False)
        store_folder(gate, "film", folder/"film")
    gate.store("transfer", nf.transfer_motion(someone, toys.truth(), someone[0]))
    gate.store("yawn", nf.yawn_params(toys.truth(), 5))
    toy = nf.toy_model()
    painted = lambda params, cameras: nf.render_frames(toy, cameras, params)
    sweeps = tuple(replace(s, amounts=s.amounts[-1:]) for s in nf.SWEEPS[:3])
    with quiet():
        gate.store("control", toys.numbers_of(nf.control_report(toy, painted, nf.captured(toy),
            nf.orbit_camera(torch.tensor([0., 0.4]), 0.1, width=24), sweeps)))
    previewing(gate, model)

def previewing(gate, model):
    "Sliders, layers, pictures of the preview."
    params = nf.slider_params(nf.captured(model), head(), 0.2, (0.1, 0.2, 0.), (0.1, -0.1),
        {head().expression_names[0]: 0.5})
    camera = nf.orbit_camera(0.2, 0.1, width=32)
    gate.store("preview/params", params)
    gate.store("preview/strength", nf.expression_strength(head()))
    tree = nf.MeshBVH(nf.transform_points(nf.flame_to_scene(), head()(params))[0].detach(), head().faces)
    layer, seen = nf.mesh_layer(tree, camera), nf.render(model, camera, params)
    gate.store("preview/layer", layer)
    gate.store("preview/mesh", nf.mesh_picture(layer))
    gate.store("preview/over", nf.overlay(seen["rgb"], layer))
    gate.store("preview/depth", nf.depth_picture(seen["depth"], seen["alpha"], 3., 5.))
    gate.store("preview/error", nf.error_picture(seen["rgb"], seen["rgb"].flip(1)))
    gate.store("preview/orbit", nf.turn_orbit(dict(azimuth=0.1, elevation=0.2, distance=4.), 12., -5., 30.,
        dict(azimuth=(-3., 3.), elevation=(-1., 1.), distance=(2., 6.))))
    moves, view = dict(jaw=0.2, neck=(0.1, 0.2, 0.)), dict(azimuth=0.1, elevation=0.2, distance=4.)
    gate.tell("preview/code", nf.moves_code(moves, view, 64, "runs/me", (0., 0., 0.)))
    shown = nf.Preview(trained("moving/given")[0], size=32, draft=16, later=lambda seconds, act: act())
    for draft in False, True: gate.store(f"preview/picture/{draft}", nf.preview_picture(shown, 24, draft))
    gate.tell("preview/state", "\n".join(f"{k}: {v}" for k, v in nf.preview_state(shown).items()))
    gate.tell("preview/matches", ", ".join(nf.best_matches("smil", nf.load_head("anny").expression_names)))

def files(gate):
    "Scenes in several layouts, written and read; evaluation; RUN folders."
    with work_folder() as folder:
        rgba = toys.photograph(toys.truth(), toys.views(4))
        scene_params = toys.truth()[[0]*4]
        written = dict(plain=(toys.views(4), {}), posed=(toys.views(4), dict(params=scene_params, timestep=[0, 0, 1, 1],
            camera_index=range(4), to_scene=nf.flame_to_scene())))
        for name, (bent, fisheye) in LENSES.items():
            written[name] = replace(toys.views(4), distortion=None if bent is None else torch.tensor([bent]).expand(4,
                8), fisheye=None if fisheye is None else torch.tensor([True]*4)), {}
        for name, (cameras_, more) in written.items():
            nf.save_scene(folder/name, "train", rgba, cameras_, 3., 5.5, **more)
            store_folder(gate, f"scene/{name}", folder/name)
            gate.store(f"scene/{name}/read", nf.scene_values(nf.load_scene(folder/name, head=head() if more else None)))
        behind = (0.2, 0.5, 0.9)
        for options in (dict(resolution=16), dict(half_res=True), dict(testskip=2), dict(background="black"),
                dict(background=behind)):
            gate.store(f"scene/read/{options}", nf.scene_values(nf.load_scene(folder/"plain", **options)))
        others_scenes(gate, folder, rgba)
        model = nf.trained_model(trained("still/given")[0])
        with quiet():
            report = nf.evaluate(model, nf.load_scene(folder/"posed", head=head()), folder/"report", progress=False)
        gate.store("evaluation", toys.numbers_of(report))
        store_folder(gate, "evaluation", folder/"report")
        nf.save_model(model, folder/"model")
        store_folder(gate, "model", folder/"model")
        gate.store("model/render", nf.render(nf.load_model(folder/"model"), nf.orbit_camera(0.2, 0., width=24)))
    for name in "still/found", "moving/given", "moving/marked", "published/neutral", "plain":
        with work_folder() as folder:
            toys.train_toy(name, folder/"run")
            store_folder(gate, f"run/{name}", folder/"run")
            again = nf.load_run(folder/"run")
            gate.store(f"run/{name}/again", nf.render(nf.trained_model(again), nf.orbit_camera(0.2, 0.1, width=24)))

def others_scenes(gate, folder, rgba):
    "The layouts of nerfstudio, VHAP, NeRFace and instant-ngp."
    c, f = toys.views(4), []
    for i in range(4):
        for kind, picture in dict(images=rgba[i, ..., :3], masks=rgba[i, ..., 3:].expand(-1, -1, 3),
                rgba=rgba[i]).items():
            (folder/"other"/kind).mkdir(parents=True, exist_ok=True)
            toys.Image.fromarray(nf.as_bytes(picture).numpy()).save(folder/"other"/kind/f"{i:05d}.png")
        f.append(dict(file_path=f"images/{i:05d}.png", mask_path=f"masks/{i:05d}.png",
            transform_matrix=c.c2w[i].tolist()))
    size, focal = dict(w=32, h=32), float(c.focal[0, 0])
    shown = dict(
        nerfstudio=dict(camera_model="OPENCV", **size, fl_x=focal, fl_y=focal, cx=16., cy=16., k1=-0.1, frames=f,
        applied_transform=[[1., 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0]]),
        listed=dict(**size, fl_x=focal, frames=f, train_filenames=["images/00001.png", "images/00003.png"],
        test_filenames=["images/00000.png"]),
        ngp=dict(is_fisheye=True, k1=0.05, k2=0.01, p1=0, p2=0, **size, fl_x=focal, frames=f, aabb_scale=16),
        nerface=dict(intrinsics=[-focal, focal, 0.5, 0.5],
        frames=[dict(file_path=f"rgba/{i:05d}", transform_matrix=e["transform_matrix"], expression=[0, 0]) for i,
        e in enumerate(f)]),
        blender=dict(camera_angle_x=0.6, frames=[dict(file_path=f"./rgba/{i:05d}",
        transform_matrix=e["transform_matrix"]) for i, e in enumerate(f)]),
        vhap=dict(**size, cx=16., cy=16., fl_x=focal, fl_y=focal,
        frames=[e | dict(timestep_index=i//2, camera_index=i % 2, timestep_index_original=i) for i, e in enumerate(f)]))
    for name, top in shown.items():
        (folder/"other"/"transforms.json").write_text(json.dumps(top))
        with quiet():
            for split in nf.scene_splits(folder/"other"):
                gate.store(f"layout/{name}/{split}", nf.scene_values(nf.load_scene(folder/"other", split)))

def commands(gate):
    "The eight commands: their help, and what they print and write."
    for name in nf.COMMANDS: gate.tell(f"{name}/help", toys.command(gate, name, "--help"))
    with work_folder() as folder:
        for split, n in dict(train=10, val=2, test=3).items():
            cameras_, params = toys.views(n), toys.truth()[[0]*n]
            if split == "test":
                params = params.replace(jaw_pose=torch.tensor([[0., 0., 0.], [0.2, 0., 0.], [0.3, 0., 0.]]))
            rgba = torch.cat([toys.photograph(params[i], cameras_[i]) for i in range(n)])
            nf.save_scene(folder/"scene", split, rgba, cameras_, 3., 5.5, params,
                timestep=[0]*n if split != "test" else [0, 1, 2], to_scene=nf.flame_to_scene())
        nf.save_head_arrays(head().arrays, folder/"toy.npz")
        nf.save_params(head().neutral(2).replace(jaw_pose=torch.linspace(0, 0.3, 2)[:,
            None]*torch.tensor([1., 0., 0.])), folder/"jaw.npz")
        gate_refusals.run_commands(gate, folder)
        gate_refusals.refused_commands(gate, folder)

def shared(gate):
    "The golden record of the published code at full size, where the shared files are."
    record = nf.shared("golden/original")
    if not record: return print("shared: skipped, as the shared files are not here")
    numbers = {k: torch.as_tensor(v) for k, v in np.load(record/"original_renders.npz", allow_pickle=False).items()}
    height, width, focal = numbers["hwf"].tolist()
    cameras_ = nf.Cameras(numbers["test_poses"][:1], torch.full((1, 2), focal/2), torch.tensor([[width/4, height/4]]),
        int(width)//2, int(height)//2)
    golden = nf.load_head(record/"FLAME"/"model"/"generic_model.pkl")
    checkpoint = nf.read_checkpoint(next(record.glob("*.tar")))
    for kind, step, epsilon in ("mesh", 0, 0.03), ("field", checkpoint.step, 0.07):
        model = nf.import_checkpoint(checkpoint, golden, nf.RayConfig(), step, epsilon)
        gate.store(f"golden/{kind}", nf.render(model, cameras_[0],
            list(nf.published_states(nf.captured(model)).values())[1]))
    for path in sorted(nf.shared("review/faults").glob("*/scene")) if nf.shared("review/faults") else ():
        with quiet():
            try:
                value = {split: nf.scene_values(nf.load_scene(path, split, resolution=32))
                    for split in nf.scene_splits(path)}
            except nf.InputError as e: gate.tell(f"scene/{path.parent.name}", str(e).replace(str(path), "SCENE"))
            else: gate.store(f"scene/{path.parent.name}", toys.digest({k: toys.digest(v) for k, v in value.items()}))

PARTS = dict(settings=settings, mesh=mesh, cameras=cameras, heads=heads, density=density, marching=marching,
    networks=networks, pictures=pictures,
    fitting=fitting, capture=capturing, train=training, resume=resumed, render=rendering, published=published,
    export=exporting,
    drive=driving, files=files, refuse=gate_refusals.refusals, commands=commands, shared=shared)
