"""What is written for other programs, read back by readers that are not ours."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import replace

import numpy as np
import pytest
import roifile
import shapely
import tifffile
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from shapely.geometry import shape
from skimage.draw import polygon2mask

from drepano.cells import measure_cells
from drepano.exports import FORMATS, FieldResult, merge_coco, trace_outlines
from drepano.field import Segmentation
from drepano.io import Plane
from drepano.taxonomy import SCD

SIZE = (90, 130)
Y, X = np.mgrid[: SIZE[0], : SIZE[1]]


def result_of(instances, classes=None, pixel_size=None):
    """Cells with a class each, all certain."""
    classes = classes or [1 + (number - 1) % 4 for number in range(1, instances.max() + 1)]
    class_map = np.array([0, *classes], np.uint8)[instances]
    probabilities = np.eye(5, dtype=np.float32)[class_map].transpose(2, 0, 1)
    segmentation = Segmentation(class_map, np.ascontiguousarray(probabilities), SCD, 20.0)
    cells = measure_cells(segmentation, instances, pixel_size=pixel_size)
    return FieldResult("field-1.png", None, segmentation, instances, cells, pixel_size)


@pytest.fixture
def cells():
    """A disc, a crescent, one at the border, two that touch, and one of few pixels."""
    instances = np.zeros(SIZE, np.int32)
    instances[np.hypot(Y - 20, X - 25) < 12] = 1
    instances[(np.hypot(Y - 60, X - 30) < 20) & (np.hypot(Y - 52, X - 30) > 18)] = 2
    instances[(np.hypot(Y - 5, X - 100) < 11)] = 3
    instances[(np.hypot(Y - 50, X - 80) < 11)] = 4
    instances[(np.hypot(Y - 50, X - 101) < 11) & (instances == 0)] = 5
    instances[80:83, 100:102] = 6
    return instances


def overlap(first, second):
    return (first & second).sum() / (first | second).sum()


def rasterised(polygon):
    """Pixels whose middle is inside, by shapely."""
    return shapely.contains_xy(polygon, X + 0.5, Y + 0.5)


class TestOutlines:
    def test_a_pixel_is_a_square_of_its_four_corners(self):
        instances = np.zeros((5, 6), np.int32)
        instances[2, 3] = 1
        outline = trace_outlines(instances)[1]
        assert outline.outer.tolist() == [[3, 2], [4, 2], [4, 3], [3, 3]]
        assert outline.holes == ()

    def test_straight_edges_have_no_points_between_their_ends(self):
        assert len(trace_outlines(np.ones((7, 9), np.int32))[1].outer) == 4

    def test_a_hole_is_a_ring_of_its_own(self):
        instances = np.ones((6, 6), np.int32)
        instances[2:4, 2:4] = 0
        outline = trace_outlines(instances)[1]
        (hole,) = outline.holes
        polygon = shapely.Polygon(outline.outer, [hole])
        assert polygon.is_valid
        assert polygon.area == 32

    def test_of_several_pieces_the_largest_is_taken(self):
        instances = np.zeros((9, 9), np.int32)
        instances[0:2, 0:2] = instances[4:9, 4:9] = 1
        assert shapely.Polygon(trace_outlines(instances)[1].outer).area == 25

    def test_numbers_that_are_not_there_are_left_out(self):
        assert list(trace_outlines(np.array([[0, 3], [7, 3]], np.int32))) == [3, 7]

    @pytest.mark.parametrize("seed", range(20))
    def test_ragged_cells_are_valid_polygons_with_exactly_their_pixels(self, seed):
        """Pinched and pierced shapes too: pixels drawn at random, then what is connected."""
        from scipy import ndimage

        field = np.random.default_rng(seed).random(SIZE) < 0.6
        instances, count = ndimage.label(field)
        for number, outline in trace_outlines(instances.astype(np.int32)).items():
            polygon = shapely.Polygon(outline.outer, outline.holes)
            assert polygon.is_valid
            assert (rasterised(polygon) == (instances == number)).all()
        assert count > 1


class TestGeojson:
    def test_polygons_are_valid_and_the_pixels_of_their_cell(self, cells, tmp_path):
        FORMATS["geojson"].write(tmp_path / "a.geojson", result_of(cells))
        features = json.loads((tmp_path / "a.geojson").read_text())["features"]
        assert len(features) == 6
        for number, feature in enumerate(features, start=1):
            polygon = shape(feature["geometry"])
            assert polygon.is_valid
            assert overlap(rasterised(polygon), cells == number) == 1

    def test_class_colour_and_measurements_are_where_qupath_looks(self, cells, tmp_path):
        FORMATS["geojson"].write(tmp_path / "a.geojson", result_of(cells, pixel_size=0.5))
        properties = json.loads((tmp_path / "a.geojson").read_text())["features"][1]["properties"]
        assert properties["objectType"] == "detection"
        assert properties["classification"] == {"name": "El+Sk", "color": list(SCD.colours[2])}
        assert properties["measurements"]["area_px"] == (cells == 2).sum()
        assert properties["measurements"]["area_um2"] == (cells == 2).sum() / 4
        assert properties["measurements"]["probability El+Sk"] == 1
        assert properties["metadata"]["touches_border"] == "false"

    def test_cells_lie_in_the_layer_and_at_the_time_of_their_page(self, cells, tmp_path):
        FORMATS["geojson"].write(tmp_path / "a.geojson", replace(result_of(cells), plane=Plane(2, 3, 1)))
        features = json.loads((tmp_path / "a.geojson").read_text())["features"]
        assert features[0]["geometry"]["plane"] == {"c": -1, "z": 3, "t": 1}

    def test_a_field_without_cells(self, tmp_path):
        FORMATS["geojson"].write(tmp_path / "a.geojson", result_of(np.zeros(SIZE, np.int32), [1]))
        assert json.loads((tmp_path / "a.geojson").read_text())["features"] == []


class TestImagej:
    def test_the_roi_manager_finds_every_cell_by_number_and_class(self, cells, tmp_path):
        FORMATS["imagej"].write(tmp_path / "a.zip", result_of(cells))
        regions = roifile.roiread(tmp_path / "a.zip")
        assert [region.name for region in regions][:2] == ["0001 Dic+Ovl", "0002 El+Sk"]
        assert tuple(regions[1].stroke_color) == (255, *SCD.colours[2])
        for number, region in enumerate(regions, start=1):
            assert region.roitype == roifile.ROI_TYPE.POLYGON
            corners = (
                region.coordinates()[:, ::-1] - 0.5
            )  # ImageJ counts from corners, scikit-image from middles
            assert overlap(polygon2mask(SIZE, corners), cells == number) > 0.98

    def test_a_cell_with_holes_is_a_composite_region_of_all_its_rings(self, cells, tmp_path):
        cells[18:22, 20:24] = cells[15, 30:33] = 0
        FORMATS["imagej"].write(tmp_path / "a.zip", result_of(cells))
        first, second, *_ = roifile.roiread(tmp_path / "a.zip")
        assert (first.name, second.name) == ("0001 Dic+Ovl", "0002 El+Sk")
        assert tuple(first.stroke_color) == (255, *SCD.colours[1])
        assert (first.composite, second.composite) == (True, False)
        assert (first.left, first.top) == (14, 9)
        rings = [shapely.Polygon(ring) for ring in first.coordinates(multi=True)]
        assert sorted(ring.area for ring in rings[1:]) == [3, 16]
        pierced = rings[0] - rings[1] - rings[2]
        np.testing.assert_array_equal(rasterised(pierced), cells == 1)

    def test_cells_of_a_hyperstack_lie_on_its_slice_and_frame_in_all_channels(self, cells, tmp_path):
        result = replace(result_of(cells), page=4, plane=Plane(0, layer=1, time=2, stack=False))
        FORMATS["imagej"].write(tmp_path / "a.zip", result)
        regions = roifile.roiread(tmp_path / "a.zip")
        assert {(one.position, one.c_position, one.z_position, one.t_position) for one in regions} == {
            (0, 0, 2, 3)
        }

    @pytest.mark.parametrize(("page", "position"), [(None, 0), (0, 1), (4, 5)])
    def test_cells_of_a_page_lie_on_that_slice(self, cells, tmp_path, page, position):
        FORMATS["imagej"].write(tmp_path / "a.zip", replace(result_of(cells), page=page))
        assert {region.position for region in roifile.roiread(tmp_path / "a.zip")} == {position}

    def test_writing_again_replaces_what_was_there(self, cells, tmp_path):
        for _ in range(2):
            FORMATS["imagej"].write(tmp_path / "a.zip", result_of(cells))
        assert len(roifile.roiread(tmp_path / "a.zip")) == 6


class TestCoco:
    def read(self, path):
        with contextlib.redirect_stdout(io.StringIO()):
            return COCO(str(path))

    def test_masks_boxes_and_categories(self, cells, tmp_path):
        FORMATS["coco"].write(tmp_path / "a.json", result_of(cells))
        data = self.read(tmp_path / "a.json")
        assert [category["name"] for category in data.loadCats(data.getCatIds())] == list(SCD.cell_classes)
        for annotation in data.loadAnns(data.getAnnIds()):
            mask = cells == annotation["id"]
            assert overlap(data.annToMask(annotation) > 0, mask) > 0.98
            box = coco_mask.toBbox(coco_mask.encode(np.asfortranarray(mask.astype(np.uint8))))
            assert annotation["bbox"] == box.tolist()
            assert annotation["area"] == mask.sum()

    def test_fields_become_one_data_set(self, cells, tmp_path):
        parts = [tmp_path / f"{name}.json" for name in "ab"]
        for part in parts:
            FORMATS["coco"].write(part, result_of(cells))
        merge_coco(tmp_path / "all.json", [(parts[0], "a.png"), (parts[1], "moved/b.png")])
        data = self.read(tmp_path / "all.json")
        assert [image["file_name"] for image in data.loadImgs([1, 2])] == ["a.png", "moved/b.png"]
        assert len(data.getImgIds()) == 2
        assert len(data.getAnnIds(imgIds=[2])) == 6
        assert len(set(data.getAnnIds())) == 12

    def test_pages_are_counted_from_1_as_in_the_tables(self, cells, tmp_path):
        FORMATS["coco"].write(tmp_path / "a.json", replace(result_of(cells), page=0))
        assert self.read(tmp_path / "a.json").loadImgs([1])[0]["page"] == 1


class TestTiff:
    def test_labels_are_the_cells_numbers_in_16_bits(self, cells, tmp_path):
        FORMATS["labels"].write(tmp_path / "a.tif", result_of(cells, pixel_size=0.25))
        with tifffile.TiffFile(tmp_path / "a.tif") as file:
            page = file.pages.first
            assert page.dtype == np.uint16
            np.testing.assert_array_equal(page.asarray(), cells)
            assert page.get_resolution("micrometer") == (4, 4)

    def test_probabilities_are_named_channels(self, cells, tmp_path):
        result = result_of(cells, pixel_size=0.25)
        FORMATS["probabilities"].write(tmp_path / "a.ome.tif", result)
        with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
            assert file.is_ome
            assert file.series[0].axes == "CYX"
            np.testing.assert_array_equal(file.asarray(), result.segmentation.probabilities)
            metadata = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
        assert [channel["Name"] for channel in metadata["Channel"]] == list(SCD.classes)
        assert metadata["PhysicalSizeX"] == 0.25


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_field_can_be_written_in_every_format(name, tmp_path):
    FORMATS[name].write(tmp_path / f"a{FORMATS[name].suffix}", result_of(np.zeros(SIZE, np.int32), [1]))
    assert len(list(tmp_path.iterdir())) == 1
