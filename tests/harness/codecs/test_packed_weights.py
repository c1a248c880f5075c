"""Weights at 6 bits: exact packing, and the error that rounding may make."""

import torch

from harness.codecs.packed import pack, pack_state, quantize_rows, unpack, unpack_state


def test_packing_integers_loses_nothing() -> None:
    whole = torch.randint(-32, 32, (7, 13), generator=torch.Generator().manual_seed(0))
    packed = pack(whole)
    assert len(packed) == -(-whole.numel() // 4) * 3
    assert torch.equal(unpack(packed, whole.numel()).reshape(7, 13), whole.float())


def test_rows_are_rounded_to_half_a_step_at_most_where_they_are_not_clipped() -> None:
    rows = torch.randn(5, 400, generator=torch.Generator().manual_seed(1))
    whole, step = quantize_rows(rows)
    assert whole.abs().max() <= 31
    inside = rows.abs() <= 31 * step
    assert ((whole * step - rows).abs() <= step / 2 + 1e-6)[inside].all()
    relative = (whole * step - rows).square().mean() / rows.square().mean()
    assert relative < 0.001  # 30 dB


def test_a_state_comes_back_with_its_names_and_shapes() -> None:
    model = torch.nn.Sequential(torch.nn.Conv1d(4, 6, 3), torch.nn.Linear(6, 5))
    state = unpack_state(pack_state(model.state_dict()))
    assert {k: v.shape for k, v in state.items()} == {
        k: v.shape for k, v in model.state_dict().items()
    }
    for name, value in model.state_dict().items():
        assert (state[name] - value).abs().max() <= value.abs().max() * 0.02, name
