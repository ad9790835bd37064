"""Time the parts of a training step of preset `fast` on a face that is already settled, and the whole step, in turn.

    .venv/bin/python bench/run.py --only profile               # trains a face for a minute first
    .venv/bin/python bench/run.py --only profile --run RUN     # takes this one, with the scene that it was trained on

Each part works on the results of the part before it, so their sum is the whole step, except for the cost of the graph
between them. Backward parts are timed without the forward that they need. We use only public functions. If a field has
no `grid` and `density_net`, encoding and network are one part. (A file called profile.py would hide Python's own module
of this name from torch.)
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
    "A training step in parts: `parts` are functions without arguments."
    def __init__(self, model, scene, config):
        self.model, self.scene, self.config, self.settings = model, scene, config, config.field
        self.posed, self.generator = model.pose_for_training(model.params), torch.Generator().manual_seed(0)
        self.optimiser = field_optimiser(model, config.rates)
        self.bank = pixels_in_shell(scene, self.posed.shell)
        self.mouth = unseen_mouth(model.head, model.canonical_verts, [(self.posed.verts, self.bank)], self.generator)
        # the face stays the same, so graphs from before a step stay valid
        for group in self.optimiser.param_groups: group["lr"] = 0.
        self.optimiser._optimizer_step_post_hooks.clear()

    def whole(self):
        "Take a whole step, as training does."
        batch = self.bank.batch(self.settings.rays, self.generator)
        behind = self.scene.background
        loss = field_loss(self.model, [self.posed], batch, behind, self.settings, self.mouth, self.generator).objective
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()

    def density(self):
        "Update the occupancy grid, as training does every `refresh` steps."
        self.model.update_density(self.settings.refresh_share, generator=self.generator)
        self.model.refresh(self.posed)

    def draw(self):
        "Draw pixels and their random numbers in the order of training."
        self.batch = self.bank.batch(self.settings.rays, self.generator)
        self.behind = None if self.batch.mask is None else torch.rand(len(self.batch.rgb), 3, generator=self.generator)
        self.phase = torch.rand(len(self.batch.rgb), generator=self.generator)

    def march(self):
        "Find the samples in the shell."
        config = self.model.config
        self.samples = march(self.batch.rays, self.posed.shell, config.step, self.phase, self.posed.sigma,
            config.alpha_threshold)

    def map(self):
        "Map the samples to the canonical head."
        self.canonical = self.posed.canonical_map.along(self.batch.rays, self.samples)
        self.distance = self.canonical.signed_distance

    def encode(self): self.encoded = self.model.field.grid(self.canonical.positions)

    def network(self):
        "Compute the density from the encoding."
        self.encoded_leaf = self.encoded.detach().requires_grad_()
        out = self.model.field.density_net(self.encoded_leaf)
        self.sigma, self.features = prior_sigma(out[:, 0], self.distance, self.model.field.max_epsilon), out[:, 1:]

    def both(self): self.sigma, self.features = self.model.field.density(self.canonical.positions, self.distance)

    def weigh(self):
        "Compute opacity and weights, and choose the samples that get a colour."
        self.sigma_leaf = self.sigma.detach().requires_grad_()
        epsilon = self.model.density.epsilon
        alpha = shell_alpha(self.sigma_leaf, self.samples.deltas, self.distance.abs(), epsilon)
        self.weights = volume_weights(alpha, self.samples.offsets)
        self.seen = (self.weights.detach() > self.model.config.weight_threshold).nonzero()[:, 0]

    def colour(self):
        "Compute the colours of these samples."
        self.features_leaf = self.features.detach()[self.seen].requires_grad_()
        self.rgb = self.model.field.colour(self.features_leaf, self.canonical.directions[self.seen])

    def add_up(self):
        "Compute pixels and the loss, against random backgrounds."
        n, batch, scene = len(self.batch.rgb), self.batch, self.scene
        self.weights_leaf, self.rgb_leaf = self.weights.detach().requires_grad_(), self.rgb.detach().requires_grad_()
        behind = scene.background.expand(n, 3) if batch.mask is None else self.behind
        t, ray_idx = self.samples.t[self.seen], self.samples.ray_idx[self.seen]
        pixels = composite(self.weights_leaf[self.seen], self.rgb_leaf, t, ray_idx, n, behind)
        target = batch.rgb if batch.mask is None else batch.rgb + (1 - batch.mask)[:, None]*(behind - scene.background)
        outline = 0 if batch.mask is None else ((pixels.accumulation - batch.mask)**2).mean()
        self.loss = ((pixels.rgb - target)**2).mean() + self.settings.mask_weight*outline

    def hide(self):
        "Compute the loss of the unseen mouth."
        self.mouth_loss = self.settings.mouth_weight*mouth_loss(self.model, self.mouth, self.generator)

    def difference(self)->float:
        "Return the relative difference between the losses of the parts and of training, for the same random numbers."
        self.generator.manual_seed(1)
        for name, part in self.parts.items():
            if "backward" not in name and name != "optimiser": part()
        batch, weight = self.bank.batch(self.settings.rays, self.generator.manual_seed(1)), self.settings.mask_weight
        loss, _ = batch_loss(self.model, self.posed, batch, self.scene.background, weight, self.generator)
        return float(((loss - self.loss).abs()/loss).detach())

    def back(self, outputs, inputs):
        "Return a function that runs backward through one part, with ones as gradients."
        def run():
            ends, starts = ([t for t in f() if t.requires_grad] for f in (outputs, inputs))
            ones = [torch.ones_like(t) for t in ends]
            return torch.autograd.grad(ends, starts, ones, retain_graph=True, allow_unused=True)
        return run

    @property
    def parts(self)->dict:
        "Return the parts in the order of a step: {part: function}."
        field = self.model.field
        weights = lambda module: list(module.parameters())
        density = lambda: (self.sigma, self.features)
        if hasattr(field, "grid") and hasattr(field, "density_net"):
            inputs = lambda: [self.encoded_leaf, *weights(field.density_net)]
            forward = {"encoding": self.encode, "density network": self.network}
            backward = {"density network, backward": self.back(density, inputs),
                "encoding, backward": self.back(lambda: (self.encoded,), lambda: weights(field.grid))}
        else:
            forward = {"encoding and density network": self.both}
            backward = {"encoding and density network, backward": self.back(density, lambda: weights(field))}
        leaves = lambda: (self.weights_leaf, self.rgb_leaf)
        inputs_of_colour = lambda: [self.features_leaf, *weights(field)]
        parts = {"choosing pixels, their rays": self.draw, "samples in the shell (march)": self.march,
            "map to the unposed head": self.map, **forward, "opacity and weights": self.weigh,
            "colour network": self.colour, "compositing and loss": self.add_up,
            "compositing and loss, backward": self.back(lambda: (self.loss,), leaves),
            "colour network, backward": self.back(lambda: (self.rgb,), inputs_of_colour),
            "opacity and weights, backward": self.back(lambda: (self.weights,), lambda: (self.sigma_leaf,)), **backward}
        if self.mouth is not None:
            backward = self.back(lambda: (self.mouth_loss,), lambda: weights(field))
            parts |= {"hidden parts of the mouth": self.hide, "hidden parts of the mouth, backward": backward}
        return parts | {"optimiser": self.optimiser.step}

def profile_rows(quick, run=None):
    "Time and share of each part."
    run, rounds = load_run(Path(run) if run else settled_run(quick)), 5 if quick else 30
    step = Step(run.model, run_scene(run, data_folder(run), "train", None), run.config.train)
    for _ in range(3): step.whole()
    seconds = in_turn({"whole": step.whole} | step.parts, rounds)
    grid = [timed(step.density)/step.settings.refresh for _ in range(max(rounds//2, 3))]
    total = {name: statistics.median(v) for name, v in seconds.items()} | {"density grid": statistics.median(grid)}
    whole, summed = total.pop("whole"), sum(total.values()) - total["density grid"]
    line = lambda name, values, note: row("profile", name, [1000*v for v in values], "ms", note=note)
    share = lambda name: f"{100*total[name]/(whole + total['density grid']):.1f} %"
    about = f"{step.settings.rays:,} rays, {len(step.samples):,} samples, {len(step.seen):,} of them with a colour"
    rows = [line("a whole step", seconds["whole"], f"{about}; without the density grid")]
    rows += [line(name, seconds[name], share(name)) for name in total if name != "density grid"]
    about = f"{share('density grid')}; once every {step.settings.refresh} steps"
    rows.append(line("density grid, a step's share", grid, about))
    about = f"{100*summed/whole:.0f} % of the whole step"
    about += f"; the loss of the parts differs from training's by {step.difference():.1g} of it"
    return [*rows, Row("profile", "sum of the parts, without the density grid", 1000*summed, "ms", note=about)]
