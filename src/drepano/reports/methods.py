"""How the counts were made, in sentences for a paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drepano.taxonomy import SICKLED_CLASS, Taxonomy

_NETWORKS = {
    "dunet": "a U-Net with deformable convolutions (dU-Net; Zhang, Li, Xu and Li)",
    "unet": "a U-Net (Ronneberger et al. 2015)",
    "pspnet": "a PSPNet (Zhao et al. 2017)",
    "deeplabv3plus": "a DeepLabV3+ (Chen et al. 2018)",
    "dynunet": "MONAI's DynUNet, the architecture of nnU-Net (Isensee et al. 2021)",
}

_INTERVALS = (
    " 95 % intervals of shares are from a bootstrap over fields (expanded percentiles), never narrower "
    "than Wilson's interval with the effective sample size of Korn and Graubard (1998), fields as "
    "clusters, the design effect moderated (as by Smyth, 2004) by an expected intraclass correlation of "
    "0.05 that counts as three fields; those of differences likewise, with Newcombe's (1998), or over "
    "patients Student's t (Welch's, or paired where patients are on both sides), or over a patient's "
    "places that are on both sides Student's t of what each adds to the difference."
)


def methods_text(
    model: Mapping[str, Any],
    settings: Mapping[str, str],
    software: Mapping[str, str],
    taxonomy: Taxonomy,
    corrected: bool,
) -> str:
    """A paragraph that names network, scale, counting, intervals and versions.

    Parameters
    ----------
    model : mapping
        The model card.
    settings : mapping
        What the run was asked to do.
    software : mapping
        Versions by package.
    taxonomy : Taxonomy
        Of one class of cells there are no shares.
    corrected : bool
        Whether shares were corrected for the network's confusion.
    """
    network = _NETWORKS.get(str(model["architecture"]["name"]), "a convolutional network")
    data = ", ".join(entry["name"] for entry in model["data"]) or "data that its card does not name"
    scale = settings.get("cell diameter", "not given")
    correction = (
        " Corrected shares are the non-negative least-squares solution for the confusion matrices of the "
        "model card, each patient's cells weighted by what they are worth; their intervals include the "
        "uncertainty of these matrices and how far their patients were apart (Dirichlet-multinomial)."
        if corrected
        else ""
    )
    sickled = (
        f" The sickled share is that of {SICKLED_CLASS}." if SICKLED_CLASS in taxonomy.cell_classes else ""
    )
    shares = f"{sickled}{_INTERVALS}{correction}" if len(taxonomy.cell_classes) > 1 else ""
    whole = model.get("neck") == 0
    touching = "counted as one" if whole else "parted by a watershed on the distance transform"
    network_in_words = f"network {model['name']}, {network} trained on {data}"
    return (
        f"Fields were segmented with Drepano {software.get('drepano', '')} (PyTorch "
        f"{software.get('torch', '')}), {network_in_words} (fingerprint "
        f"{settings.get('model fingerprint', 'unknown')}). Cell diameter: {scale}. Touching cells "
        f"were {touching}; a cell's class has the largest probability "
        "summed over its pixels; cells that the border cuts were counted but left out of mean sizes. Fields "
        f"with warnings were {settings.get('fields with warnings', 'counted')}; fields that agree in "
        f"{settings.get('fields grouped by', 'patient')} were counted together.{shares} "
        "Research use only, not for diagnosis."
    )
