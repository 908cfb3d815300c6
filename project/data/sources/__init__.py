"""The sources of photos that a configuration can name."""

from project.data.sources.class_folders import ClassFolders
from project.data.sources.file_names import FileNames
from project.data.sources.github_source import GithubClassFolders
from project.data.sources.label_table import LabelTable
from project.data.sources.listing import Source
from project.data.sources.torchvision_source import TorchvisionDataset

__all__ = [
    "ClassFolders",
    "FileNames",
    "GithubClassFolders",
    "LabelTable",
    "Source",
    "TorchvisionDataset",
]
