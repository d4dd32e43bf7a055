"""The times of very many images as a decision reckons with them: those that make sense. Pure."""

from collections.abc import Sequence
from datetime import datetime

from cleanup.image import EPOCH_OF_SENSE, Image
from cleanup.image_columns.fields import moments, scaled


class Times:
    """`created_at` and `updated_at` of all images in microseconds, each looked at when it is asked for."""

    def __init__(self, images: Sequence[Image], now: datetime) -> None:
        self.images = images
        self.now = now
        self.earliest, self.latest = scaled(EPOCH_OF_SENSE), scaled(now)
        self._values: dict[str, Sequence[int]] = {}
        self._senseless: dict[str, set[int]] = {}

    def of(self, name: str) -> Sequence[int]:
        """One time of all images."""
        if name not in self._values:
            self._values[name] = moments(self.images, name)
        return self._values[name]

    def sensible(self, name: str, numbers: Sequence[int]) -> Sequence[int]:
        """Those of the numbers whose time makes sense; mostly it does for all images there are."""
        if name not in self._senseless:
            self._senseless[name] = self._without_sense(self.of(name))
        senseless = self._senseless[name]
        return [number for number in numbers if number not in senseless] if senseless else numbers

    def _without_sense(self, values: Sequence[int]) -> set[int]:
        if self.earliest <= min(values, default=self.latest) and max(values, default=0) <= self.latest:
            return set()
        return {number for number, value in enumerate(values) if not self.earliest <= value <= self.latest}
