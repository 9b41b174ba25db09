/** Every text of the pages in one table: [English, Chinese]. What servers say is shown as they say it. Pure. */

export const LANGUAGES = { en: "English", zh: "中文" } as const;
export type Language = keyof typeof LANGUAGES;

export const TEXTS = {
  active: ["Active", "正常"],
  address: ["Address", "地址"],
  affects: ["Affects", "涉及"],
  agent: ["Agent", "代理节点"],
  all: ["All", "全部"],
  allocation: ["Allocation", "资源分配"],
  allWell: ["All components are healthy.", "所有组件均正常。"],
  askRemove: ["It ends, and what is known of it is deleted. This cannot be undone.", "服务将终止，其信息将被删除，且无法恢复。"],
  askRestart: ["Its instances are replaced by new ones.", "其实例将被新实例替换。"],
  askResume: ["One instance is started again.", "将重新启动一个实例。"],
  askRollBack: ["What it changed is changed back; what it created is removed.", "其更改将被撤销，其创建的内容将被删除。"],
  askScale: ["How many instances there shall be.", "设定实例数量。"],
  askSuspend: ["All of its instances are ended; it stays and can be resumed.", "所有实例将终止；服务保留，可随时恢复。"],
  attributes: ["Attributes", "属性"],
  cancel: ["Cancel", "取消"],
  command: ["Command", "命令"],
  components: ["Unhealthy components", "异常组件"],
  cpu: ["CPU", "CPU"],
  dashboard: ["Dashboard", "概览"],
  deactivated: ["Deactivated", "已停用"],
  delayed: ["Delayed", "延迟中"],
  deleting: ["Deleting", "删除中"],
  deploying: ["Deploying", "部署中"],
  deployments: ["Latest deployments", "最近部署"],
  disk: ["Disk", "磁盘"],
  drained: ["Drained", "已排空"],
  draining: ["Draining", "排空中"],
  ending: ["ending", "正在结束"],
  failed: ["failed", "失败"],
  filterNodes: ["Filter by host, address or attribute", "按主机、地址或属性筛选"],
  filterServices: ["Filter: name, is:waiting, is:unhealthy", "筛选：名称、is:waiting、is:unhealthy"],
  force: ["Do so although a deployment holds it", "即使有部署占用也强制执行"],
  framework: ["Framework", "框架"],
  gpu: ["GPU", "GPU"],
  health: ["Health", "健康"],
  healthy: ["Healthy", "健康"],
  helps: ["What helps", "解决办法"],
  host: ["Host", "主机"],
  iamError: ["Logging in did not work:", "登录失败："],
  image: ["Image", "镜像"],
  inactive: ["Not connected", "未连接"],
  instances: ["Instances", "实例"],
  labels: ["Labels", "标签"],
  language: ["Language", "语言"],
  lastFailure: ["Last failure", "最近一次失败"],
  loading: ["Loading …", "加载中……"],
  login: ["Log in", "登录"],
  loginWith: ["Log in with", "登录方式："],
  logout: ["Log out", "退出登录"],
  memory: ["Memory", "内存"],
  name: ["Name", "名称"],
  node: ["Node", "节点"],
  noDeployments: ["Nothing is being deployed.", "当前没有部署。"],
  nodes: ["Nodes", "节点"],
  none: ["N/A", "无"],
  noRows: ["Nothing to show.", "没有内容。"],
  notFound: ["There is no such page.", "页面不存在。"],
  notThere: ["It is not there (any more).", "该对象不存在或已被删除。"],
  of: ["of", "/"],
  password: ["Password", "密码"],
  publicNode: ["public", "公共"],
  recovering: ["Recovering", "恢复中"],
  region: ["Region", "区域"],
  remove: ["Delete", "删除"],
  restart: ["Restart", "重启"],
  resume: ["Resume", "恢复"],
  retype: ["To be sure, type", "请输入以确认："],
  rollBack: ["Roll back", "回滚"],
  running: ["Running", "运行中"],
  scale: ["Scale", "扩缩"],
  search: ["Search", "搜索"],
  services: ["Services", "服务"],
  since: ["Since", "自"],
  skip: ["To the content", "跳到内容"],
  starting: ["starting", "启动中"],
  state: ["State", "状态"],
  step: ["Step", "步骤"],
  stopped: ["Stopped", "已停止"],
  suspend: ["Suspend", "暂停"],
  tasks: ["Tasks", "任务"],
  theme: ["Light or dark", "浅色或深色"],
  unhealthy: ["Unhealthy", "不健康"],
  units: ["Components of this node", "本节点组件"],
  unreachable: ["unreachable", "无法访问"],
  unreached: ["The cluster does not answer; trying again:", "集群没有响应，正在重试："],
  user: ["User", "用户名"],
  version: ["Version", "版本"],
  waiting: ["Waiting", "等待中"],
  why: ["Why it waits", "等待原因"],
  zone: ["Zone", "可用区"],
} as const satisfies Record<string, readonly [string, string]>;

export type Word = keyof typeof TEXTS;

export function text(word: Word, language: Language): string {
  return TEXTS[word][language === "en" ? 0 : 1];
}

/** The first of a browser's languages that is spoken here, else English. */
export function spoken(wanted: readonly string[]): Language {
  for (const one of wanted) {
    const short = one.toLowerCase().split("-")[0];
    if (short === "en" || short === "zh") return short;
  }
  return "en";
}
