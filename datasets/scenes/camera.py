"""The camera of a `Scenes` picture: where in it the ground, the people and the things fall."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

Bgr = tuple[float, float, float]
Floats = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]

NEAR_M = 0.25
"""What is nearer to the camera than this is cut off."""
SUBPIXEL_BITS = 4
FRAMES_PX = ((480, 360), (512, 288), (448, 336), (400, 400), (480, 270), (384, 384))
"""Picture sizes (width, height), all stretched to a square by the detector."""
HEAD_M = 0.245
"""Height of a usual head with its hair, which ties distance to head size."""


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A pinhole camera over the ground plane, tilted down, without roll.

    World axes in metres: x to the right, y up from the ground, z away from the camera; the camera
    stands at (0, height_m, 0). Camera axes: x right, y down, z along the view.
    """

    width_px: int
    height_px: int
    focal_px: float
    pitch_rad: float
    height_m: float
    reach_m: float
    """Distance at which people are usually seen by this camera."""

    @cached_property
    def rotation(self) -> Floats:
        """Return the world to camera rotation, [3, 3]."""
        s, c = np.sin(self.pitch_rad), np.cos(self.pitch_rad)
        return np.array([[1.0, 0.0, 0.0], [0.0, -c, -s], [0.0, -s, c]])

    @property
    def horizon_px(self) -> float:
        """Return the row of the horizon, which may lie above the picture."""
        return float(self.height_px / 2 - self.focal_px * np.tan(self.pitch_rad))

    def to_camera(self, points_m: Floats) -> Floats:
        """Turn world points [n, 3] into camera coordinates [n, 3], metres."""
        return np.asarray(points_m @ self.rotation.T + self._shift_m, np.float64)

    @cached_property
    def _shift_m(self) -> Floats:
        return np.asarray(self.rotation @ np.array([0.0, -self.height_m, 0.0]), np.float64)

    def to_pixels(self, points_cam: Floats) -> Floats:
        """Project camera points [n, 3] in front of the camera to pixels [n, 2]."""
        scale = self.focal_px / np.maximum(points_cam[:, 2:], NEAR_M / 2)
        return np.asarray(points_cam[:, :2] * scale + self._centre, np.float64)

    @cached_property
    def _centre(self) -> Floats:
        return np.array([self.width_px / 2, self.height_px / 2])

    def outline(self, points_m: Floats) -> Floats:
        """Project a world polygon [n, 3], cut at the near plane, to pixels [m, 2]; m may be 0."""
        cam = self.to_camera(points_m)
        if cam[:, 2].min() < NEAR_M:
            cam = _cut_near(cam)
        if len(cam) < 3:
            return np.zeros((0, 2))
        # Far outside values would overflow the fixed-point coordinates of the polygon filler.
        return np.minimum(np.maximum(self.to_pixels(cam), -4000.0), 4000.0)

    def scale_px(self, point_m: Floats) -> float:
        """Return pixels per metre at a world point [3]."""
        depth_m = self.to_camera(point_m[None])[0, 2]
        return float(self.focal_px / max(depth_m, NEAR_M))


def _cut_near(cam: Floats) -> Floats:
    """Cut a camera-space polygon at the near plane (Sutherland-Hodgman, one plane)."""
    kept: list[Floats] = []
    for a, b in zip(cam, np.roll(cam, -1, axis=0), strict=True):
        if a[2] >= NEAR_M:
            kept.append(a)
        if (a[2] >= NEAR_M) != (b[2] >= NEAR_M):
            kept.append(a + (b - a) * (NEAR_M - a[2]) / (b[2] - a[2]))
    return np.array(kept) if kept else np.zeros((0, 3))


def draw_camera(rng: np.random.Generator) -> Camera:
    """Choose a camera whose usual head is 29 to 122 px high in the 300x300 picture."""
    width_px, height_px = FRAMES_PX[int(rng.integers(len(FRAMES_PX)))]
    focal_px = width_px * float(np.exp(rng.uniform(np.log(0.65), np.log(1.9))))
    side_px = float(np.exp(rng.uniform(np.log(29.0), np.log(122.0)))) * height_px / 300
    reach_m = focal_px * HEAD_M / side_px
    pitch_rad = float(np.deg2rad(rng.choice([4.0, 14.0, 26.0, 38.0], p=[0.2, 0.35, 0.3, 0.15])))
    pitch_rad += float(np.deg2rad(rng.uniform(-3.0, 9.0)))
    height_m = 1.5 + reach_m * np.sin(pitch_rad) + rng.uniform(-0.1, 0.25)
    return Camera(
        width_px=width_px, height_px=height_px, focal_px=focal_px, pitch_rad=pitch_rad,
        height_m=float(np.clip(height_m, 1.2, 9.0)), reach_m=reach_m,
    )  # fmt: skip


@dataclass(kw_only=True)
class Canvas:
    """The picture being painted, far things first.

    image: uint8 [height, width, 3], BGR.
    heads: uint8 [height, width], the number of the head (from 1) that a pixel shows, else 0.
    """

    camera: Camera
    image: Pixels
    heads: Pixels

    @classmethod
    def blank(cls, camera: Camera) -> Canvas:
        """Return an empty picture of the camera's size."""
        shape = (camera.height_px, camera.width_px)
        return cls(
            camera=camera, image=np.zeros((*shape, 3), np.uint8), heads=np.zeros(shape, np.uint8)
        )

    def polygon(self, points_m: Floats, colour: Bgr) -> None:
        """Fill a convex or simple world polygon [n, 3]; it hides the heads behind it."""
        self.flat(self.camera.outline(points_m), colour)

    def flat(self, points_px: Floats, colour: Bgr) -> None:
        """Fill a polygon [n, 2] given in pixels."""
        if len(points_px) < 3:
            return
        fixed = np.rint(points_px * (1 << SUBPIXEL_BITS)).astype(np.int32)
        cv2.fillPoly(self.image, [fixed], colour, cv2.LINE_AA, SUBPIXEL_BITS)
        cv2.fillPoly(self.heads, [fixed], 0, cv2.LINE_8, SUBPIXEL_BITS)

    def textured(self, corners_m: Floats, texture: Pixels) -> None:
        """Map a texture [h, w, 3] on a world quad [4, 3]: top left, top right, bottom right, left.

        A quad that reaches behind the camera is filled with the texture's mean colour.
        """
        cam = self.camera.to_camera(corners_m)
        if (cam[:, 2] < NEAR_M).any():
            mean = texture.reshape(-1, 3).mean(axis=0)
            self.polygon(corners_m, (float(mean[0]), float(mean[1]), float(mean[2])))
            return
        target = self.camera.to_pixels(cam)
        frame = (self.image.shape[1], self.image.shape[0])
        x1, y1 = np.maximum(np.floor(target.min(axis=0)), 0).astype(int)
        x2, y2 = np.minimum(np.ceil(target.max(axis=0)) + 1, frame).astype(int)
        if x2 <= x1 or y2 <= y1:
            return
        # Shrink first where the texture is much finer than its place: the warp does not filter.
        span_px = np.maximum(np.ptp(target, axis=0), 1.0)
        ratio = max(texture.shape[1] / span_px[0], texture.shape[0] / span_px[1])
        if ratio > 1.5:
            size = (max(2, int(texture.shape[1] / ratio)), max(2, int(texture.shape[0] / ratio)))
            texture = cv2.resize(texture, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
        height, width = texture.shape[:2]
        source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        local = (target - (x1, y1)).astype(np.float32)
        warp = cv2.getPerspectiveTransform(source, local)
        size = (int(x2 - x1), int(y2 - y1))
        drawn = cv2.warpPerspective(texture, warp, size, borderMode=cv2.BORDER_REPLICATE)
        mask = np.zeros((size[1], size[0]), np.uint8)
        cv2.fillConvexPoly(mask, np.rint(local * 16).astype(np.int32), 255, cv2.LINE_8, 4)
        cv2.copyTo(drawn, mask, self.image[y1:y2, x1:x2])
        self.heads[y1:y2, x1:x2][mask > 0] = 0

    def paste(self, patch: Pixels, left_px: int, top_px: int) -> None:
        """Lay a patch [h, w, 4], BGR multiplied by its alpha, inside the picture."""
        height, width = patch.shape[:2]
        place = self.image[top_px : top_px + height, left_px : left_px + width]
        rest = cv2.bitwise_not(patch[:, :, 3]).astype(np.uint8, copy=False)
        kept = cv2.multiply(place, cv2.merge([rest, rest, rest]), scale=1 / 255)
        cv2.add(kept, cv2.cvtColor(patch, cv2.COLOR_BGRA2BGR), dst=place)
        shown = self.heads[top_px : top_px + height, left_px : left_px + width]
        cv2.bitwise_and(shown, _half(rest), dst=shown)


def _half(rest: Pixels) -> Pixels:
    """Return 255 where more than half of what lies behind shows through, else 0."""
    return np.asarray(cv2.threshold(rest, 127, 255, cv2.THRESH_BINARY)[1], np.uint8)
