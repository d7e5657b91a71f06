import type { Option } from './command.ts';

/** Name of the data folder in the working directory. */
export const DATA_FOLDER = '.kelana';

export const DATA_OPTION: Option = {
  name: 'data',
  type: 'text',
  value: 'DIR',
  help: {
    id: `folder data node (bawaan: ${DATA_FOLDER}, atau node yang berjalan di sini)`,
    en: `data folder of the node (default: ${DATA_FOLDER}, or a node running here)`,
  },
};
