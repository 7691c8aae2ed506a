"""A bundle in the form of MONAI's published lung_nodule_ct_detection (0.6), made here, with random weights."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
from monai.apps.detection.networks.retinanet_network import RetinaNet
from monai.networks.nets.resnet import resnet50

from inference.bundles.pyramid import resnet_pyramid

IMAGE = {"keys": "image"}
META = {"meta_key_postfix": "meta_dict"}


def make_metadata(**changed: Any) -> dict[str, Any]:
    """Make a `metadata.json` with the keys that MONAI's schema wants."""
    image = {
        "type": "image",
        "format": "magnitude",
        "modality": "CT",
        "num_channels": 1,
        "spatial_shape": ["16*n", "16*n", "8*n"],
        "dtype": "float16",
        "value_range": [0, 1],
        "is_patch_data": True,
        "channel_def": {"0": "image"},
    }
    pred = {"type": "object", "format": "dict", "dtype": "float16", "num_channels": 1, "value_range": [-1e4, 1e4]}
    return {
        "schema": "https://example.org/meta_schema.json",
        "version": "0.6.8",
        "monai_version": "1.4.0",
        "optional_packages_version": {"torchvision": "0.19.0"},
        "name": "Lung nodule CT detection",
        "task": "CT lung nodule detection",
        "intended_use": "This is an example, not to be used for diagnostic purposes",
        "network_data_format": {"inputs": {"image": image}, "outputs": {"pred": pred}},
        **changed,
    }


def make_inference() -> dict[str, Any]:
    """Make an `inference.json` with the ids, targets and expressions of the published one."""
    return {
        "whether_raw_luna16": False,
        "whether_resampled_luna16": "$(not @whether_raw_luna16)",
        "imports": ["$import glob", "$import os"],
        "bundle_root": ".",
        "data_list_file_path": "$@bundle_root + '/LUNA16_datasplit/dataset_fold0.json'",
        "test_datalist": "$monai.data.load_decathlon_datalist(@data_list_file_path, data_list_key='validation')",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "amp": True,
        "spatial_dims": 3,
        "num_classes": 1,
        "size_divisible": [16, 16, 8],
        "infer_patch_size": [512, 512, 192],
        "anchor_generator": {
            "_target_": "monai.apps.detection.utils.anchor_utils.AnchorGeneratorWithAnchorShape",
            "feature_map_scales": [1, 2, 4],
            "base_anchor_shapes": [[6, 8, 4], [8, 6, 5], [10, 10, 6]],
        },
        "backbone": "$monai.networks.nets.resnet.resnet50"
        "(spatial_dims=3,n_input_channels=1,conv1_t_stride=[2,2,1],conv1_t_size=[7,7,7])",
        "feature_extractor": "$monai.apps.detection.networks.retinanet_network.resnet_fpn_feature_extractor"
        "(@backbone,3,False,[1,2],None)",
        "network_def": {
            "_target_": "RetinaNet",
            "spatial_dims": "@spatial_dims",
            "num_classes": "@num_classes",
            "num_anchors": 3,
            "feature_extractor": "@feature_extractor",
            "size_divisible": "@size_divisible",
            "use_list_output": False,
        },
        "network": "$@network_def.to(@device)",
        "detector": {
            "_target_": "RetinaNetDetector",
            "network": "@network",
            "anchor_generator": "@anchor_generator",
            "debug": False,
            "spatial_dims": "@spatial_dims",
            "num_classes": "@num_classes",
            "size_divisible": "@size_divisible",
        },
        "detector_ops": [
            "$@detector.set_target_keys(box_key='box', label_key='label')",
            "$@detector.set_box_selector_parameters"
            "(score_thresh=0.02,topk_candidates_per_level=1000,nms_thresh=0.22,detections_per_img=300)",
            "$@detector.set_sliding_window_inferer"
            "(roi_size=@infer_patch_size,overlap=0.25,sw_batch_size=1,mode='constant',device='cpu')",
        ],
        "preprocessing": {"_target_": "Compose", "transforms": _transforms()},
        "dataset": {"_target_": "Dataset", "data": "$@test_datalist", "transform": "@preprocessing"},
        "dataloader": {
            "_target_": "DataLoader",
            "dataset": "@dataset",
            "collate_fn": "$monai.data.utils.no_collation",
        },
        "inferer": {"_target_": "scripts.detection_inferer.RetinaNetInferer", "detector": "@detector"},
        "postprocessing": {"_target_": "Compose", "transforms": _postprocessing()},
        "handlers": [
            {
                "_target_": "CheckpointLoader",
                "load_path": "$@bundle_root + '/models/model.pt'",
                "load_dict": {"model": "@network"},
            },
            {
                "_target_": "scripts.detection_saver.DetectionSaver",
                "output_transform": "$lambda x: [@postprocessing({**xx['pred'],'image':xx['image']}) for xx in x]",
            },
        ],
        "evaluator": {
            "_target_": "scripts.evaluator.DetectionEvaluator",
            "_requires_": "@detector_ops",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "val_handlers": "@handlers",
        },
        "initialize": ["$setattr(torch.backends.cudnn, 'benchmark', True)"],
        "run": ["$@evaluator.run()"],
    }


def make_published_bundle(
    folder: Path,
    *,
    metadata: dict[str, Any] | None = None,
    inference: dict[str, Any] | None = None,
    contract: dict[str, Any] | None = None,
    weights: bool = True,
) -> Path:
    """Write the bundle; without a contract it is as MONAI publishes it."""
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    files = {"metadata": metadata or make_metadata(), "inference": inference or make_inference(), "voorrang": contract}
    for name, values in files.items():
        if values is not None:
            (folder / "configs" / f"{name}.json").write_text(json.dumps(values))
    if weights:
        torch.save(random_weights(), folder / "models" / "model.pt")
    return folder


@cache
def random_weights() -> dict[str, torch.Tensor]:
    """Make weights of the published network; scores of untrained classes lie around a half, so that boxes come."""
    torch.manual_seed(5)
    backbone = resnet50(spatial_dims=3, n_input_channels=1, conv1_t_stride=[2, 2, 1], conv1_t_size=[7, 7, 7])
    pyramid = resnet_pyramid(backbone, 3, returned_layers=[1, 2])
    network = RetinaNet(3, num_classes=1, num_anchors=3, feature_extractor=pyramid, size_divisible=[16, 16, 8])
    weights = dict(network.state_dict())
    bias = "classification_head.cls_logits.bias"
    weights[bias] = torch.zeros_like(weights[bias])
    return weights


def _transforms() -> list[dict[str, Any]]:
    raw = {"reader": "itkreader", "affine_lps_to_ras": True, "_disabled_": "@whether_resampled_luna16"}
    return [
        {"_target_": "LoadImaged", **IMAGE, **META, "_disabled_": "@whether_raw_luna16"},
        {"_target_": "LoadImaged", **IMAGE, **META, **raw},
        {"_target_": "EnsureChannelFirstd", **IMAGE, **META},
        {"_target_": "Orientationd", **IMAGE, "axcodes": "RAS"},
        {
            "_target_": "Spacingd",
            **IMAGE,
            "pixdim": [0.703125, 0.703125, 1.25],
            "_disabled_": "@whether_resampled_luna16",
        },
        {
            "_target_": "ScaleIntensityRanged",
            **IMAGE,
            "a_min": -1024,
            "a_max": 300,
            "b_min": 0,
            "b_max": 1,
            "clip": True,
        },
        {"_target_": "EnsureTyped", **IMAGE},
    ]


def _postprocessing() -> list[dict[str, Any]]:
    boxes = {"box_keys": "box", "box_ref_image_keys": "image"}
    return [
        {"_target_": "ClipBoxToImaged", **boxes, "label_keys": "label", "remove_empty": True},
        {"_target_": "AffineBoxToWorldCoordinated", **boxes, "image_meta_key_postfix": "meta_dict"},
        {"_target_": "ConvertBoxModed", "box_keys": "box", "src_mode": "xyzxyz", "dst_mode": "cccwhd"},
        {"_target_": "DeleteItemsd", "keys": ["image"]},
    ]
