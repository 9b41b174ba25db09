/** What the services answer: only the members that are read here, as the services name them. */

export interface Resources {
  cpus: number;
  mem: number;
  disk: number;
  gpus: number;
}

/** Numbers of tasks by state, as state-summary tells them. */
export interface TaskCounts {
  TASK_STAGING?: number;
  TASK_STARTING?: number;
  TASK_RUNNING?: number;
  TASK_KILLING?: number;
  TASK_UNREACHABLE?: number;
  TASK_FINISHED?: number;
  TASK_KILLED?: number;
  TASK_FAILED?: number;
  TASK_LOST?: number;
  TASK_ERROR?: number;
}

export interface Agent extends TaskCounts {
  id: string;
  hostname: string;
  pid: string;
  version: string;
  active: boolean;
  deactivated: boolean;
  /** Seconds since 1970. */
  registered_time: number;
  attributes: Record<string, string | number>;
  resources: Resources;
  used_resources: Resources;
  drain_info?: { state: string };
  domain?: { fault_domain?: { region?: { name: string }; zone?: { name: string } } };
}

/** `/mesos/master/state-summary`. */
export interface Summary {
  cluster?: string;
  slaves: Agent[];
  frameworks: (TaskCounts & { id: string; name: string; active: boolean })[];
}

export interface HealthResult {
  alive: boolean;
}

export interface AppTask {
  id: string;
  state: string;
  host?: string;
  slaveId?: string;
  ports?: number[];
  startedAt?: string;
  stagedAt?: string;
  version?: string;
  healthCheckResults?: HealthResult[];
}

export interface TaskFailure {
  message: string;
  state: string;
  taskId: string;
  host: string;
  timestamp: string;
}

export interface App {
  id: string;
  cmd?: string;
  cpus: number;
  mem: number;
  disk: number;
  gpus?: number;
  instances: number;
  version: string;
  labels?: Record<string, string>;
  env?: Record<string, unknown>;
  healthChecks?: unknown[];
  deployments?: { id: string }[];
  tasks?: AppTask[];
  tasksRunning?: number;
  tasksStaged?: number;
  tasksHealthy?: number;
  tasksUnhealthy?: number;
  container?: { type: string; docker?: { image?: string } };
  lastTaskFailure?: TaskFailure;
}

export interface PodSpec {
  id: string;
  version?: string;
  scaling?: { kind?: string; instances?: number };
  containers: { name: string; resources?: Partial<Resources> }[];
  executorResources?: Partial<Resources>;
  labels?: Record<string, string>;
}

export interface PodInstance {
  id: string;
  status: string;
  agentHostname?: string;
  agentId?: string;
  statusSince?: string;
}

/** `group.pods` of a group: a pod's status. */
export interface Pod {
  id: string;
  status?: string;
  spec: PodSpec;
  instances?: PodInstance[];
}

/** `/service/marathon/v2/groups` with what is embedded. */
export interface Group {
  id: string;
  groups: Group[];
  apps: App[];
  pods?: Pod[];
}

/** Why something waits (docs/guides/marathon.md). */
export interface Wait {
  kind: string;
  text: string;
  helps?: string;
  app?: string;
  pod?: string;
  agents?: { agentId: string; host: string; text: string; helps?: string }[];
}

/** `/service/marathon/v2/queue`. */
export interface Queue {
  queue: {
    app?: { id: string };
    pod?: { id: string };
    delay?: { overdue: boolean; timeLeftSeconds: number };
  }[];
}

/** `/service/marathon/v2/deployments?embed=waits`. */
export interface Deployment {
  id: string;
  version: string;
  affectedApps?: string[];
  affectedPods?: string[];
  currentStep?: number;
  totalSteps?: number;
  waits?: Wait[];
  explanation?: string;
}

/** `/system/health/v1/units`; `health`: 0 is well. */
export interface Unit {
  id: string;
  name: string;
  health: number;
  description: string;
  output?: string;
}

/** `/agent/<id>/state`. */
export interface AgentState {
  frameworks: AgentFramework[];
  completed_frameworks?: AgentFramework[];
}

export interface AgentFramework {
  id: string;
  name: string;
  executors: AgentExecutor[];
  completed_executors?: AgentExecutor[];
}

export interface AgentExecutor {
  id: string;
  tasks: AgentTask[];
  queued_tasks?: AgentTask[];
}

export interface AgentTask {
  id: string;
  name: string;
  state: string;
  resources: Partial<Resources>;
}

/** `/acs/api/v1/auth/providers`, by name. */
export type Providers = Record<
  string,
  { "authentication-type": string; description: string; config: { start_flow_url?: string } }
>;
