import math
from typing import Any

import pytest
import torch

from project.errors import TrainingError
from project.models.classifier import Classifier
from project.models.finiteness import Bad, Losses, not_finite
from tests.models.test_classifier import batches, classifier, images, trainer

# A worker process would cost more than these tensors.
pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")


class Late:
    """A number that arrives when it is told to."""

    def __init__(self, loss: torch.Tensor) -> None:
        self.loss, self.here = loss, False

    def is_here(self) -> bool:
        return self.here

    def value(self) -> float:
        return float(self.loss)


def test_loss_on_the_processor_is_looked_at_at_once() -> None:
    losses = Losses()
    losses.add(torch.tensor(1.5), "step 0")
    assert losses.first_bad() is None
    losses.add(torch.tensor(math.inf), "step 1")
    assert losses.first_bad() == Bad(math.inf, "step 1")
    assert losses.first_bad() is None


def test_loss_that_has_not_arrived_is_not_waited_for_unless_asked() -> None:
    sent: list[Late] = []

    def send(loss: torch.Tensor) -> Late:
        sent.append(Late(loss))
        return sent[-1]

    losses = Losses(send)
    for step, value in enumerate((1.0, math.nan, math.nan)):
        losses.add(torch.tensor(value), f"step {step}")
    assert losses.first_bad() is None
    sent[0].here = True
    assert losses.first_bad() is None
    found = losses.first_bad(wait=True)
    assert found is not None
    assert (math.isnan(found.loss), found.step) == (True, "step 1")


def test_bad_loss_of_an_earlier_step_is_told_with_that_step() -> None:
    losses = Losses(Late)
    losses.add(torch.tensor(math.inf), "epoch 0, global step 3")
    losses.check()
    with pytest.raises(TrainingError, match=r"finite training loss, got inf at epoch 0, global st"):
        losses.check(wait=True)
    losses.check(wait=True)


def test_rank_whose_own_loss_is_finite_says_whose_is_not() -> None:
    assert "training loss, got one that is not on another rank at here. Try" in str(
        not_finite("training", 0.5, "here")
    )


def test_step_reads_one_number_and_no_more(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU each would be a wait, and the loss is read there once it has arrived."""
    read: dict[str, list[str]] = {"steps": []}
    inside = [False]
    for name in ("item", "__bool__", "__float__", "__int__", "tolist", "cpu", "numpy"):
        original = getattr(torch.Tensor, name)

        def watched(self: torch.Tensor, *given: Any, _do: Any = original, _name: str = name) -> Any:
            if inside[0]:
                read["steps"].append(_name)
            return _do(self, *given)

        monkeypatch.setattr(torch.Tensor, name, watched)
    step = Classifier.training_step

    def counted(self: Classifier, batch: Any, batch_idx: int) -> torch.Tensor:
        inside[0] = True
        return step(self, batch, batch_idx)

    def ended(*_: Any) -> None:
        inside[0] = False

    monkeypatch.setattr(Classifier, "training_step", counted)
    monkeypatch.setattr(Classifier, "on_before_optimizer_step", ended)
    data = batches(images(40))
    trainer(tmp_path, max_epochs=1).fit(classifier(), data, batches(images(8)))
    # Whether rows are padding is asked where they are on the processor anyway.
    assert read["steps"] == ["__bool__", "__float__"] * 5


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_steps_on_a_gpu_wait_for_nothing(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Classifier.training_step

    def strict(self: Classifier, batch: Any, batch_idx: int) -> torch.Tensor:
        torch.cuda.set_sync_debug_mode("error")
        try:
            return step(self, batch, batch_idx)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(Classifier, "training_step", strict)
    run = trainer(tmp_path, accelerator="gpu", devices=1, max_epochs=2)
    run.fit(classifier(), batches(images(40)), batches(images(8)))
    assert run.global_step == 10
