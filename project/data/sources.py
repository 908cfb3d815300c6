"""The sources of photos that a configuration can name."""

from project.data.class_folders import ClassFolders
from project.data.file_names import FileNames
from project.data.github_source import GithubClassFolders
from project.data.label_table import LabelTable
from project.data.listing import Source
from project.data.torchvision_source import TorchvisionDataset

__all__ = [
    "ClassFolders",
    "FileNames",
    "GithubClassFolders",
    "LabelTable",
    "Source",
    "TorchvisionDataset",
]
