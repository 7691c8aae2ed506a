from __future__ import annotations

import pytest

from inference.bundles.allowed import why_not_expression, why_not_target


@pytest.mark.parametrize(
    "name",
    [
        "monai.networks.nets.resnet.resnet50",
        "monai.transforms.Spacingd",
        "monai.transforms.compose.Compose",
        "monai.apps.detection.networks.retinanet_network.RetinaNet",
        "monai.inferers.SlidingWindowInferer",
        "torch.nn.Conv3d",
        "torch.device",
    ],
)
def test_networks_transforms_and_inferers_are_called(name: str) -> None:
    assert why_not_target(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "builtins.eval",
        "subprocess.run",
        "scripts.detection_inferer.RetinaNetInferer",
        "torch.load",
        "torch.os.system",
        "torch.hub.load",
        "torch.nn.modules.module.torch.load",
        "monai.networks.nets.resnet.torch.load",
        "monai.transforms.io.dictionary.LoadImaged",
        "monai.transforms.LoadImaged",
        "monai.transforms.SaveImage",
        "monai.bundle.run",
        "monai.transforms.utils.optional_import",
        "monai.transforms.nothing_of_that_name",
        "numpy.load",
        "monai.transforms",
        "$@network.forward",
        "",
    ],
)
def test_what_reaches_further_is_not_called(name: str) -> None:
    assert why_not_target(name)


@pytest.mark.parametrize(
    "text",
    [
        "(not @whether_raw_luna16)",
        "@bundle_root + '/models'",
        "torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "@network_def.to(@device)",
        "@detector.set_target_keys(box_key='box', label_key='label')",
        "monai.networks.nets.resnet.resnet50(spatial_dims=3, conv1_t_stride=[2, 2, 1])",
        "@sizes::0 * 2",
        "@sizes#0 * 2",
    ],
)
def test_expressions_of_published_bundles_are_evaluated(text: str) -> None:
    assert why_not_expression(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "__import__('os').system('true')",
        "torch.os.system('true')",
        "torch.load('models/evil.pt')",
        "np.load('evil.npy', allow_pickle=True)",
        "open('/etc/passwd').read()",
        "exec('1')",
        "@network.apply(print)",
        "@network.forward",
        "@network.load_state_dict(1)",
        "@a['os'].system('true')",
        "(lambda: 1)()",
        "[x for x in @a]",
        "f'{@a}'",
        "@a.to(torch.os.system('true'))",
        "@a.to(device=torch.os.system('true'))",
        "{'a': torch.os.system('true')}",
        "1 if torch.os.system('true') else 2",
        "@a[@b:print]",
        "(@a[0 #torch.os.system('true')\n])",  # a comment to Python; MONAI makes a slice of it
        "monai.bundle.run('run')",
        "(yield)",
        "x := 1",
        "1 +",
        "(" * 5000,
    ],
)
def test_other_expressions_are_not_evaluated(text: str) -> None:
    assert why_not_expression(text)
