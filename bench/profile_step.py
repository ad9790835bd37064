"""Where a training step of preset `fast` goes: its parts one after the other on a face that is already settled, and the whole step, in turn.

    .venv/bin/python bench/run.py --only profile                   # trains a face for a minute first
    .venv/bin/python bench/run.py --only profile --run RUN         # takes this one, with the scene that it was trained on

Each part works on what the part before it left, so their sum is the whole step but for what the graph between them costs. Backward parts are timed without the forward
that they need. Only public functions are used; where a field no longer has `grid` and `density_net`, encoding and network are one part. (The file is not called profile.py,
as Python's own module of this name would then be hidden from torch.)
"""
import statistics
from pathlib import Path
import torch
from nerflame.field.density import prior_sigma, shell_alpha
from nerflame.training.pixels import pixels_in_shell
from nerflame.field.volume import composite, volume_weights
from nerflame.field.march import march
from nerflame.training.mouth import mouth_loss, unseen_mouth
from nerflame.training.stages import batch_loss, field_loss, field_optimiser
from nerflame.published.methods import load_run
from nerflame.training.run import data_folder, run_scene
from common import Row, in_turn, row, timed
from scenes import settled_run

class Step:
    "A step taken apart: `parts` is what to time, each a function without arguments."
    def __init__(self, model, scene, config):
        self.model, self.scene, self.config, self.settings = model, scene, config, config.field
        self.posed, self.generator, self.optimiser = model.pose_for_training(model.params), torch.Generator().manual_seed(0), field_optimiser(model, config.rates)
        self.bank = pixels_in_shell(scene, self.posed.shell)
        self.mouth = unseen_mouth(model.head, model.canonical_verts, [(self.posed.verts, self.bank)], self.generator)
        for group in self.optimiser.param_groups: group["lr"] = 0.   # it shall stay the same face
        self.optimiser._optimizer_step_post_hooks.clear()   # so nothing has changed, and graphs from before a step stay good

    def whole(self):
        "A step as training takes it."
        batch = self.bank.batch(self.settings.rays, self.generator)
        loss = field_loss(self.model, [self.posed], batch, self.scene.background, self.settings, self.mouth, self.generator).objective
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()

    def density(self):
        "What happens every `refresh` steps."
        self.model.update_density(self.settings.refresh_share, generator=self.generator)
        self.model.refresh(self.posed)

    def draw(self):
        "Pixels, and what is random of them, in the order in which training draws it."
        self.batch = self.bank.batch(self.settings.rays, self.generator)
        self.behind = None if self.batch.mask is None else torch.rand(len(self.batch.rgb), 3, generator=self.generator)
        self.phase = torch.rand(len(self.batch.rgb), generator=self.generator)
    def march(self): self.samples = march(self.batch.rays, self.posed.shell, self.model.config.step, self.phase, self.posed.sigma, self.model.config.alpha_threshold)
    def map(self): self.there = self.posed.canonical_map.along(self.batch.rays, self.samples)

    def encode(self): self.encoded = self.model.field.grid(self.there.positions)
    def network(self):
        "Density from the encoding."
        self.encoded_leaf = self.encoded.detach().requires_grad_()
        out = self.model.field.density_net(self.encoded_leaf)
        self.sigma, self.features = prior_sigma(out[:, 0], self.there.signed_distance, self.model.field.max_epsilon), out[:, 1:]
    def both(self): self.sigma, self.features = self.model.field.density(self.there.positions, self.there.signed_distance)

    def weigh(self):
        "Opacity and weights, and which samples get a colour."
        self.sigma_leaf = self.sigma.detach().requires_grad_()
        self.weights = volume_weights(shell_alpha(self.sigma_leaf, self.samples.deltas, self.there.signed_distance.abs(), self.model.density.epsilon), self.samples.offsets)
        self.seen = (self.weights.detach() > self.model.config.weight_threshold).nonzero()[:, 0]
    def colour(self):
        self.features_leaf = self.features.detach()[self.seen].requires_grad_()
        self.rgb = self.model.field.colour(self.features_leaf, self.there.directions[self.seen])
    def add_up(self):
        "Pixels and the loss, against random backgrounds."
        n, batch, scene = len(self.batch.rgb), self.batch, self.scene
        self.weights_leaf, self.rgb_leaf = self.weights.detach().requires_grad_(), self.rgb.detach().requires_grad_()
        behind = scene.background.expand(n, 3) if batch.mask is None else self.behind
        pixels = composite(self.weights_leaf[self.seen], self.rgb_leaf, self.samples.t[self.seen], self.samples.ray_idx[self.seen], n, behind)
        target = batch.rgb if batch.mask is None else batch.rgb + (1 - batch.mask)[:, None]*(behind - scene.background)
        outline = 0 if batch.mask is None else ((pixels.accumulation - batch.mask)**2).mean()
        self.loss = ((pixels.rgb - target)**2).mean() + self.settings.mask_weight*outline
    def hide(self): self.pull = self.settings.mouth_weight*mouth_loss(self.model, self.mouth, self.generator)

    def difference(self)->float:
        "How far the loss of the parts is from that of training, for the same random numbers; of the loss."
        self.generator.manual_seed(1)
        for name, part in self.parts.items(): part() if "backward" not in name and name != "optimiser" else None
        batch = self.bank.batch(self.settings.rays, self.generator.manual_seed(1))
        loss, _ = batch_loss(self.model, self.posed, batch, self.scene.background, self.settings.mask_weight, self.generator)
        return float(((loss - self.loss).abs()/loss).detach())

    def back(self, outputs, inputs):
        "A backward pass through one part, the gradients of ones."
        def run():
            out = [o for o in outputs() if o.requires_grad]
            return torch.autograd.grad(out, [i for i in inputs() if i.requires_grad], [torch.ones_like(o) for o in out], retain_graph=True, allow_unused=True)
        return run

    @property
    def parts(self)->dict:
        "What to time, in the order of a step: {part: function}."
        field, parameters = self.model.field, lambda *modules: [p for m in modules for p in m.parameters()]
        apart = hasattr(field, "grid") and hasattr(field, "density_net")
        first = {"encoding": self.encode, "density network": self.network} if apart else {"encoding and density network": self.both}
        lasts = {"density network, backward": self.back(lambda: (self.sigma, self.features), lambda: [self.encoded_leaf, *parameters(field.density_net)]),
                 "encoding, backward": self.back(lambda: (self.encoded,), lambda: parameters(field.grid))} if apart else \
                {"encoding and density network, backward": self.back(lambda: (self.sigma, self.features), lambda: parameters(field))}
        parts = {"choosing pixels, their rays": self.draw, "samples in the shell (march)": self.march, "map to the unposed head": self.map, **first,
                 "opacity and weights": self.weigh, "colour network": self.colour, "compositing and loss": self.add_up,
                 "compositing and loss, backward": self.back(lambda: (self.loss,), lambda: (self.weights_leaf, self.rgb_leaf)),
                 "colour network, backward": self.back(lambda: (self.rgb,), lambda: [self.features_leaf, *parameters(field)]),
                 "opacity and weights, backward": self.back(lambda: (self.weights,), lambda: (self.sigma_leaf,)), **lasts}
        if self.mouth is not None: parts |= {"hidden parts of the mouth": self.hide, "hidden parts of the mouth, backward": self.back(lambda: (self.pull,), lambda: parameters(field))}
        return parts | {"optimiser": self.optimiser.step}

def profile_rows(quick, run=None):
    "Milliseconds and share of each part."
    run, rounds = load_run(Path(run) if run else settled_run(quick)), 5 if quick else 30
    step = Step(run.model, run_scene(run, data_folder(run), "train", None), run.config.train)
    for _ in range(3): step.whole()
    seconds = in_turn({"whole": step.whole} | step.parts, rounds)
    grid = [timed(step.density)/step.settings.refresh for _ in range(max(rounds//2, 3))]
    total = {name: statistics.median(v) for name, v in seconds.items()} | {"density grid": statistics.median(grid)}
    whole, summed = total.pop("whole"), sum(total.values()) - total["density grid"]
    line = lambda name, values, note: row("profile", name, [1000*v for v in values], "ms", note=note)
    share = lambda name: f"{100*total[name]/(whole + total['density grid']):.1f} %"
    rows = [line("a whole step", seconds["whole"], f"{step.settings.rays:,} rays, {len(step.samples):,} samples, {len(step.seen):,} of them with a colour; without the density grid")]
    rows += [line(name, seconds[name], share(name)) for name in total if name != "density grid"]
    rows += [line("density grid, a step's share", grid, f"{share('density grid')}; once every {step.settings.refresh} steps")]
    return rows + [Row("profile", "sum of the parts, without the density grid", 1000*summed, "ms", note=f"{100*summed/whole:.0f} % of the whole step; the loss of the parts differs from training's by {step.difference():.1g} of it")]
