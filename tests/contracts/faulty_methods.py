"""A sound method, and the faults that each make one check of the contract fail."""

SOUND = '''
"""A sound method with noise and a critic, which the faults below are put into."""
import random
from typing import ClassVar
import numpy as np
import torch
from torch import nn
from methods.base import Audio, Method, draw_normal, masked_mean, normal_like
from methods.nets.transformer import Encoder

class Mine(Method):
    name: ClassVar[str] = "mine"
    summary: ClassVar[str] = "One pass, with noise."
    equation: ClassVar[str] = "z = f(e(x1), eps)"
    source: ClassVar[str] = "none"
    target: ClassVar[str] = "z"
    nfe: ClassVar[int] = 1
    # fact

    def __init__(self, params, space, backbone):
        super().__init__(params, space, backbone)
        size = space.dimension
        self.network = Encoder(backbone, size, size)
        self.critic = nn.Linear(size, 1)
        self.scale = 1.0
        # build

    def networks(self):
        return (self.network,)

    def critics(self):
        return (self.critic,)

    def predict(self, x1, mask, noise, generator=None):
        coarse = self.space.standardise(self.space.embed(x1.unsqueeze(1)))
        return self.network(coarse + noise, mask, generator=generator)

    def loss(self, batch, generator):
        z, codes, mask = batch.z, batch.codes, batch.mask
        noise = normal_like(z, generator)
        # loss
        result = self.predict(codes[:, 0], mask, noise, generator)
        return masked_mean((result - self.space.standardise(z)).square(), mask)

    def critic_loss(self, batch, generator):
        scores = self.critic(batch.z).squeeze(-1)
        # critic
        return masked_mean(scores.square(), batch.mask)

    def resynthesize(self, inputs, nfe, generators):
        self.check_request(inputs, nfe)
        x1, mask = inputs.x1, inputs.mask
        noise = draw_normal(generators, mask, self.space.dimension)
        # before
        latent = self.space.restore(self.predict(x1, mask, noise)) * self.scale
        # after
        latent = latent * mask.unsqueeze(-1)
        # last
        return latent
'''
# Each fault: the check that must find it, what is replaced by what, and words of the finding.
FAULTS = {
    "wrong type of fact": ("facts", "# fact", 'needs = ("magic",)', "needs is ('magic',)"),
    "no equation": ("facts", '"z = f(e(x1), eps)"', '""', "equation: empty"),
    "fact not a literal": ("facts", "nfe: ClassVar[int] = 1", "nfe = int(1)", "must be a literal"),
    "fact missing": ("facts", "target: ", "aim: ", "does not declare target"),
    "taken name": ("facts", '= "mine"', '= "bridge"', "exists twice"),
    "import of nothing": ("facts", "import random", "import randum", "No module named 'randum'"),
    "fails when built": ("construction", "# build", "self.space.nothing", "raised AttributeError"),
    "parameters unused": ("construction", "# fact", "trains = False", "trains = False"),
    "float64 weights": ("construction", "# build", "self.double()", "is not finite float32"),
    "no adopt": ("teacher", "# fact", 'teacher = "regression"', "has no teacher"),
    "teacher inside": (
        "teacher",
        "# fact",
        'teacher = "regression"\n    def adopt(self, teacher): self.inner = teacher',
        "became a submodule: inner.",
    ),
    "fails when run": ("shape", "# before", "mask.nothing", "raised AttributeError"),
    "frame too few": ("shape", "# last", "latent = latent[:, 1:]", "not (3, 24, 16)"),
    "tuple": ("shape", "# last", "latent = (latent, 1)", "returns tuple"),
    "rate not whole": ("shape", "# last", "latent = Audio(latent, 24e3)", "sample rate is 24000.0"),
    "audio too short": ("shape", "# last", "latent = Audio(latent[..., 0], 24_000)", "(3, 7680)"),
    "other device": ("device", "# last", 'latent = latent.to("meta")', "result is on meta"),
    "float64": ("dtype", "# last", "latent = latent.double()", "torch.float64"),
    "NaN": ("finite", "# last", "latent[:, 0, 0] = float('nan')", "3 of 1152 values"),
    "padding not zero": (
        "padded_output",
        "# last",
        "latent = latent + (~mask)[..., None]",
        "up to 1",
    ),
    "audio goes on": (
        "padded_output",
        "# last",
        "latent = Audio(latent[..., :1].repeat(1, 1, 320).flatten(1) + 1, 24_000)",
        "up to 1",
    ),
    "loss per frame": ("training_loss", ".square(), mask)", ".square(), mask)[None]", "(1,)"),
    "loss infinite": ("training_loss", "# loss", "noise = noise / 0", "loss is nan"),
    "loss detached": (
        "training_loss",
        "noise, generator)",
        "noise, generator).detach()",
        "any param",
    ),
    "dropout undrawn": ("training_loss", "noise, generator)\n", "noise)\n", "needs a generator"),
    "unused parameter": (
        "gradients",
        "# build",
        "self.extra = nn.Linear(2, 2)",
        "extra.bias (2 of",
    ),
    "critic unused": (
        "critics",
        "# critic",
        "scores = batch.z.mean(-1) + self.critic.bias",
        "weight",
    ),
    "critic elsewhere": (
        "critics",
        "(self.critic,)",
        "(self.critic, nn.Linear(2, 2))",
        "not the method's own",
    ),
    "torch's global": ("global_rng", "# before", "torch.rand(1)", "torch's global"),
    "Python's global": ("global_rng", "# loss", "random.random()", "loss draws from Python's"),
    "NumPy's global": (
        "global_rng",
        "# critic",
        "np.random.rand()",
        "critic_loss draws from NumPy's",
    ),
    "own generator": (
        "own_generator",
        "# before",
        "noise = draw_normal([torch.Generator().manual_seed(8)] * len(x1), mask, 16)",
        "of its own, seeded 8",
    ),
    "memory": ("determinism", "# before", "self.scale = self.scale + 1", "second call of resynth"),
    "loss remembers": (
        "determinism",
        "# loss",
        "self.scale += 1; noise = noise * self.scale",
        "second call of loss",
    ),
    "batch mates": ("batch", "# after", "latent = latent - latent[:, :1].mean(0)", "utterance 0"),
    "first generator": (
        "batch",
        "# before",
        "noise = torch.cat([draw_normal([generators[0]], mask[:1] | True, 16)] * len(mask))",
        "utterance 1",
    ),
    "padding": (
        "padding",
        "# after",
        "latent = latent + x1.float().mean(1)[:, None, None]",
        "padded",
    ),
    "mean over frames": ("padding", "# after", "latent = latent - latent.mean(1, True)", "padded"),
    "loss on padding": (
        "loss_padding",
        ".square(), mask)",
        ".square(), mask | True)",
        "other padding changes loss",
    ),
    "critic on padding": (
        "loss_padding",
        "# critic",
        "return scores.square().mean()",
        "changes critic_loss",
    ),
    "z": ("forbidden_inputs", "# before", 'noise = inputs.extras["z"]', "inputs.extras['z']"),
    "z, politely": ("forbidden_inputs", "# before", 'inputs.extras.get("z")', "inputs.extras['z']"),
    "reference": ("forbidden_inputs", "# before", '"reference" in inputs.extras', "'reference'"),
    "z declared": ("forbidden_inputs", "# fact", 'conditions_on = ("x1", "z")', "anchors alone"),
    "audio undeclared": ("forbidden_inputs", "# loss", "batch.audio()", "batch.audio()"),
    "decoder undeclared": (
        "forbidden_inputs",
        "# critic",
        "batch.decode(batch.z)",
        "batch.decode()",
    ),
    "two calls": ("nfe", "# after", "self.predict(x1, mask, noise)", "2 network calls at NFE 1"),
    "network hidden": ("nfe", "return (self.network,)", "return ()", "0 network calls at NFE 1"),
    "refuses nothing": ("refusals", "self.check_request(inputs, nfe)", "", "accepts NFE -1"),
    "refuses badly": (
        "refusals",
        "self.check_request(inputs, nfe)",
        "assert nfe == 1 and inputs.layers is None",
        "raised AssertionError",
    ),
    "no layers": ("layers", "# fact", "layered = True", "from 1 layers, x1's own part"),
    "forgetful": ("state", "# loss", "self.scale = 2.0", "loaded again"),
    "drawn once": ("state", "# build", "self.scale = torch.rand(())", "loaded again"),
    "unsaved type": (
        "state",
        "# build",
        "self.register_buffer('twice', self.network.input.weight)",
        "raised RuntimeError",
    ),
}
